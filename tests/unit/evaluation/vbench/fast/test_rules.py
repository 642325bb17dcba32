"""The fast backend's torch-free rules: which frames, when an answer is known, what a prompt asks, what settings say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from probekit.evaluation.vbench.fast.dynamic_degree import judge_motion
from probekit.evaluation.vbench.fast.prefetch import ahead
from probekit.evaluation.vbench.fast.prompt_facts import asked_action, asked_style
from probekit.evaluation.vbench.fast.sampling import (
    UMT_FRAMES,
    VICLIP_FRAMES,
    dynamic_indices,
    middle_indices,
    motion_threshold,
    moving_pairs_needed,
    rounded,
)
from probekit.evaluation.vbench.fast.settings import Compatibility, FastSettings
from probekit.suites.vbench import vbench_entries


def test_middles_of_the_published_lengths() -> None:
    assert middle_indices(81, VICLIP_FRAMES) == [4, 14, 24, 34, 44, 54, 64, 75]
    assert middle_indices(81, UMT_FRAMES) == [2, 7, 12, 17, 22, 27, 32, 37, 42, 47, 52, 57, 62, 67, 72, 77]
    assert middle_indices(16, 8) == [0, 2, 4, 6, 8, 10, 12, 14]


def test_a_short_video_repeats_its_last_frame() -> None:
    assert middle_indices(3, 8) == [0, 1, 2, 2, 2, 2, 2, 2]


@given(st.integers(1, 600), st.integers(1, 16))
def test_middles_are_frames_of_the_video_in_order(n_frames: int, count: int) -> None:
    numbers = middle_indices(n_frames, count)
    assert len(numbers) == count
    assert numbers == sorted(numbers)
    assert 0 <= numbers[0]
    assert numbers[-1] < n_frames


def test_halves_go_to_the_even_number_as_the_official_code_rounds() -> None:
    assert [rounded(value, half_to_even=True) for value in (0.5, 1.5, 2.5)] == [0, 2, 2]
    assert [rounded(value, half_to_even=False) for value in (0.5, 1.5, 2.5)] == [1, 2, 3]


def test_the_dynamic_degree_of_a_five_second_video() -> None:
    assert len(dynamic_indices(81, 16, half_to_even=True)) == 41
    assert moving_pairs_needed(41, half_to_even=True) == 10
    assert motion_threshold(480, 832) == 11.25
    assert len(dynamic_indices(81, 8, half_to_even=True)) == 81
    assert len(dynamic_indices(81, 20, half_to_even=True)) == 41  # 2.5 frames become 2
    assert list(dynamic_indices(5, 2, half_to_even=True)) == [0, 1, 2, 3, 4]  # a quarter of a frame becomes one
    assert len(dynamic_indices(81, 20, half_to_even=False)) == 27
    assert moving_pairs_needed(10, half_to_even=True) == 2
    assert moving_pairs_needed(10, half_to_even=False) == 3


@given(st.lists(st.booleans(), max_size=40), st.integers(0, 20), st.integers(1, 9))
def test_the_early_answer_is_the_full_one_and_no_pair_is_in_vain(moves: list[bool], needed: int, batch: int) -> None:
    asked: list[int] = []

    def measure(pairs: range) -> list[float]:
        assert 0 < len(pairs) <= batch
        asked.extend(pairs)
        return [7.0 if moves[pair] else 6.0 for pair in pairs]

    verdict = judge_motion(measure, len(moves), needed, threshold=6.0, most_at_once=batch)
    assert verdict.dynamic == _official(moves, needed)
    assert asked == list(range(verdict.measured))
    assert verdict.measured == _known_after(moves, needed)


def _official(moves: list[bool], needed: int) -> bool:
    """vbench/dynamic_degree.py, `check_move`, in its own order of steps."""
    count = 0
    for move in moves:
        count += move
        if count >= needed:
            return True
    return False


def _known_after(moves: list[bool], needed: int) -> int:
    """The fewest leading pairs after which no continuation changes the answer."""
    for known in range(len(moves) + 1):
        moving = sum(moves[:known])
        if moving >= needed or moving + len(moves) - known < needed:
            return known
    return len(moves)


def test_items_made_ahead_keep_their_order() -> None:
    assert list(ahead(range(5))) == [0, 1, 2, 3, 4]
    assert list(ahead([])) == []


def test_an_error_in_the_making_is_the_readers() -> None:
    def items() -> "object":
        yield 1
        raise ValueError("the second is broken")

    found = ahead(items())
    assert next(found) == 1
    with pytest.raises(ValueError, match="the second is broken"):
        next(found)


def test_the_action_is_read_as_from_a_file_name() -> None:
    assert asked_action("A person is riding a bike") == "riding a bike"
    assert asked_action("A person is push up-like_moving") == "push up"


def test_the_style_is_that_of_the_entry() -> None:
    entry = next(entry for entry in vbench_entries() if "appearance_style" in entry.auxiliary)
    assert asked_style(entry.text) == entry.auxiliary["appearance_style"]["appearance_style"]
    assert asked_style("a prompt of nobody") is None


def test_every_quirk_is_kept_by_default() -> None:
    assert all(Compatibility().model_dump().values())


def test_a_misspelt_setting_is_refused() -> None:
    with pytest.raises(ValidationError, match="batch_frame"):
        FastSettings.model_validate({"batch_frame": 4})
    with pytest.raises(ValidationError, match="device"):
        FastSettings(device="tpu")
