"""What stays in the cache and at which positions, by hand and against one frame after another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from probekit.errors import UserError
from probekit.models.context_policy import FULL_CONTEXT, TRAINED_WINDOW, ContextPolicy


def test_without_a_window_every_frame_stays() -> None:
    assert FULL_CONTEXT.kept_slots(7, 3) == tuple(range(7))
    assert FULL_CONTEXT.kept_slots(0, 3) == ()


def test_the_sink_and_the_newest_frames_share_the_window_with_the_chunk() -> None:
    """A window of 9, a chunk of 3 and a sink of 2 leave room for the newest 4."""
    policy = ContextPolicy(window_frames=9, sink_frames=2)
    assert policy.kept_slots(12, 3) == (0, 1, 8, 9, 10, 11)
    assert policy.kept_slots(6, 3) == (0, 1, 2, 3, 4, 5)
    assert policy.kept_slots(7, 3) == (0, 1, 3, 4, 5, 6)
    assert policy.kept_slots(1, 3) == (0,)
    assert policy.kept_slots(0, 3) == ()


@given(window=st.integers(1, 12), sink=st.integers(0, 11), cached=st.integers(0, 20), incoming=st.integers(1, 12))
def test_as_many_frames_stay_as_fit_and_the_middle_goes_first(
    window: int, sink: int, cached: int, incoming: int
) -> None:
    if sink >= window:
        return
    policy = ContextPolicy(window_frames=window, sink_frames=sink)
    held = min(sink, cached)
    if held + incoming > window:
        with pytest.raises(UserError, match=f"exceed a window of {window} latent frames"):
            policy.kept_slots(cached, incoming)
        return
    kept = policy.kept_slots(cached, incoming)
    assert len(kept) == min(cached, window - incoming)
    dropped = sorted(set(range(cached)) - set(kept))
    assert dropped == list(range(held, held + len(dropped)))


def test_a_sink_leaves_room_in_its_window() -> None:
    with pytest.raises(ValidationError, match="sink_frames 5 leave no room in window_frames 5"):
        ContextPolicy(window_frames=5, sink_frames=5)
    assert ContextPolicy(window_frames=5, sink_frames=4).sink_frames == 4
    assert ContextPolicy(sink_frames=5).window_frames is None
    assert ContextPolicy(window_frames=1).sink_frames == 0
    for wrong in ({"window_frames": 0}, {"sink_frames": -1}):
        with pytest.raises(ValidationError):
            ContextPolicy.model_validate(wrong)


@pytest.mark.parametrize(
    ("rotary", "context", "chunk"),
    [
        ("absolute", (0, 1, 8, 9), (10, 11, 12)),
        ("re-indexed", (0, 1, 2, 3), (4, 5, 6)),
        ("sink-beside-window", (6, 7, 8, 9), (10, 11, 12)),
    ],
)
def test_positions_of_a_sink_of_two_and_the_newest_two(
    rotary: str, context: tuple[int, ...], chunk: tuple[int, ...]
) -> None:
    policy = ContextPolicy.model_validate({"window_frames": 7, "sink_frames": 2, "rotary": rotary})
    assert policy.positions((0, 1, 8, 9), 10, 3) == (context, chunk)


def test_a_rollout_whose_positions_leave_the_table_is_refused() -> None:
    FULL_CONTEXT.check_length(1024, 1024)
    with pytest.raises(
        UserError, match=r"1025 latent frames need rotary positions up to 1024; the table ends at 1023\."
    ):
        FULL_CONTEXT.check_length(1025, 1024)
    windowed = ContextPolicy(window_frames=21, sink_frames=3)
    with pytest.raises(UserError):
        windowed.check_length(1025, 1024)


def test_positions_of_a_re_indexed_window_stay_within_it() -> None:
    TRAINED_WINDOW.check_length(100_000, 21)
    with pytest.raises(UserError, match="up to 20; the table ends at 19"):
        TRAINED_WINDOW.check_length(100_000, 20)
    with pytest.raises(UserError):
        ContextPolicy(rotary="re-indexed").check_length(30, 20)


def test_the_trained_window_is_the_21_frames_of_a_5_s_video() -> None:
    assert (TRAINED_WINDOW.window_frames, TRAINED_WINDOW.sink_frames, TRAINED_WINDOW.rotary) == (21, 3, "re-indexed")
    assert (FULL_CONTEXT.window_frames, FULL_CONTEXT.sink_frames, FULL_CONTEXT.rotary) == (None, 0, "absolute")


def test_a_window_is_named_in_words() -> None:
    assert TRAINED_WINDOW.window_name == "window 21, sink 3"
    assert FULL_CONTEXT.window_name == "all frames, sink 0"
