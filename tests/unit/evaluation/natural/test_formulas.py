"""The natural suite's formulas by hand, and what holds for any input."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from probekit.evaluation.natural import formulas
from probekit.evaluation.natural.frames import every, resized, scaled_size


def test_consistency_by_hand() -> None:
    # Frame 2: first 0.6, before 0.6. Frame 3: first 0, before 0.8.
    features = np.array([[2.0, 0.0], [0.6, 0.8], [0.0, 5.0]])
    assert formulas.consistency(features).value == pytest.approx((0.6 + 0.4) / 2)
    assert formulas.consistency(features[:1]).value is None


@given(arrays(np.float64, (5, 3), elements=st.floats(0.1, 10)), st.floats(0.1, 10))
def test_consistency_is_the_same_at_any_scale_and_one_for_a_still(features: np.ndarray, scale: float) -> None:
    value = formulas.consistency(features).value
    assert value is not None
    assert 0 <= value <= 1
    assert formulas.consistency(features * scale).value == pytest.approx(value)
    assert formulas.consistency(np.repeat(features[:1], 4, axis=0)).value == pytest.approx(1.0)


def test_a_change_of_scene_lowers_consistency_more_the_earlier_it_comes() -> None:
    a, b = np.eye(2)
    late, early = (formulas.consistency(np.stack([a] * n + [b] * (8 - n))).value for n in (7, 2))
    still = formulas.consistency(np.stack([a] * 8)).value
    assert still is not None
    assert late is not None
    assert early is not None
    assert early < late < still


def test_shots_end_at_the_likeliest_of_neighbouring_frames_and_never_with_the_video() -> None:
    said = np.array([0.1, 0.6, 0.9, 0.7, 0.0, 0.51, 0.5, 0.99])
    assert formulas.last_frames_of_shots(said) == [2, 5]
    assert formulas.continuity(said)[:3] == (5 / 7, 5.0, 7.0)


@given(arrays(np.float64, st.integers(2, 40), elements=st.floats(0, 1)))
def test_there_are_at_most_half_as_many_shots_as_frames(said: np.ndarray) -> None:
    ends = formulas.last_frames_of_shots(said)
    assert len(ends) <= len(said) // 2
    assert all(said[end] > formulas.CUT_PROBABILITY for end in ends)
    score = formulas.continuity(said)
    assert score.value is not None
    assert 0.5 <= score.value + 1 / len(said)


def test_matches_are_mutual_and_near_by_hand() -> None:
    a = np.array([[1.0, 0.0], [0.0, 1.0], [0.9, np.sqrt(0.19)]])
    b = np.array([[0.0, 1.0], [1.0, 0.0]])
    ours, theirs = formulas.mutual_matches(a, b)
    assert list(zip(ours.tolist(), theirs.tolist(), strict=True)) == [(0, 1), (1, 0)], "the third found another's"
    far = np.array([[np.cos(1.0), np.sin(1.0)]])
    assert len(formulas.mutual_matches(np.array([[1.0, 0.0]]), far)[0]) == 0


def test_motion_is_per_second_and_null_without_a_match() -> None:
    assert formulas.motion([0.1, 0.3], 0.25).value == pytest.approx(0.8)
    assert formulas.motion([], 0.25).value is None
    assert formulas.match_share([3, 1], [4, 4])[:3] == (0.5, 4.0, 8.0)
    assert formulas.match_share([], []).value is None


def test_moving_share_counts_changes_above_one_level() -> None:
    assert formulas.moving_share(np.array([0.0, 1.0, 1.5, 8.0]))[:3] == (0.5, 2.0, 4.0)
    assert formulas.moving_share(np.zeros(0)).value is None


@given(st.floats(0.05, 2), st.floats(1, 60))
def test_readings_are_a_whole_number_of_frames_apart(seconds: float, fps: float) -> None:
    step = every(seconds, fps)
    assert step >= 1
    assert abs(step - seconds * fps) <= max(0.5, 1 - seconds * fps)


@given(st.integers(16, 2000), st.integers(16, 2000))
def test_scaled_sizes_are_multiples_and_keep_the_longer_side(height: int, width: int) -> None:
    sides = scaled_size(height, width, 512, 32)
    assert all(side % 32 == 0 and side >= 32 for side in sides)
    assert sides[0 if height >= width else 1] == 512


def test_frames_of_the_size_asked_for_stay_as_they_are() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 6, 8, 3), dtype=np.uint8)
    assert np.array_equal(resized(frames, 6, 8).permute(0, 2, 3, 1).numpy(), frames)
    assert np.allclose(resized(np.full((1, 6, 8, 3), 77, np.uint8), 3, 5).numpy(), 77, atol=1e-4)
