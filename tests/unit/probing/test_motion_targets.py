"""Velocity and the time of the next turn: by hand, against the world's labels, and as a negative control."""

from itertools import pairwise

import numpy as np
import pytest

from probekit.probing.targets import NEXT_TURN, TARGETS, VELOCITY, TargetInput, _velocity, first_turns
from probekit.sprite_world.dynamics import MotionState, walk
from probekit.sprite_world.episodes import episode
from probekit.sprite_world.tracker_objects import TrackedObject
from tests.helpers.sprite_videos import OPEN, clip_of

SIZE = 3
ENDS = np.array([0, *range(4, 81, 4)])  # last RGB frame of each latent frame


def turns_of(path: list[tuple[float, float]], radius: float = 4.0) -> list[float]:
    places = np.array(path, float)
    return first_turns(places, np.full(len(path), radius, np.float32), SIZE).tolist()


def test_turns_by_hand() -> None:
    east = [(10.0 + i, 16.0) for i in range(7)]
    north = [(16.0, 16.0 - i) for i in range(1, 6)]
    first, second, third, fourth = turns_of([*east, *north])
    assert np.isnan(first)  # nothing is known before its third frame
    assert second == 1.0
    assert third == pytest.approx(1 / 3)  # frames 6 to 8; the path leaves the straight one at 7
    assert fourth == 1.0


def test_a_reflection_is_no_turn_and_a_turn_in_the_first_step_has_no_value() -> None:
    wall = [(24.0 + i if i < 5 else 32.0 - i, 16.0) for i in range(9)]  # reflected at 28 = 32 - radius
    assert turns_of(wall)[1:] == [1.0, 1.0]
    between = [(24.5 + i if i < 4 else 31.5 - i, 16.0) for i in range(9)]  # one step goes half there and half back
    assert turns_of(between)[1:] == [1.0, 1.0]
    late = [(10.0 + min(i, 5), 16.0 - max(0, i - 5)) for i in range(9)]
    assert turns_of(late)[1] == 1.0
    assert np.isnan(turns_of(late)[2])
    unseen = [(10.0 + i, 16.0) if i != 4 else (np.nan, np.nan) for i in range(9)]
    assert np.isnan(turns_of(unseen)[1])


def test_half_a_pixel_off_the_straight_path_is_a_turn_and_less_is_none() -> None:
    for off, expected in ((0.4, 1.0), (0.6, 1 / 3)):
        path = [(10.0 + i, 16.0 if i < 4 else 16.0 + off) for i in range(6)]
        assert turns_of(path)[1] == pytest.approx(expected)


def test_motion_is_told_frame_by_frame_where_a_store_keeps_one_frame_of_each_chunk() -> None:
    """A sprite moves 2.5 px to the east from each tenth frame to the next, and never turns."""
    frames = clip_of(OPEN).frames[None, ::10]
    data = TargetInput(frames, np.zeros((1, 1, 1, 1, 1), np.float32), 1)
    moved = VELOCITY.values(data)
    assert moved.shape == (1, 9, 2)
    assert np.isnan(moved[0, 0]).all()
    np.testing.assert_allclose(moved[0, 1:], np.tile([2.5, 0.0], (8, 1)), atol=0.35)
    turns = NEXT_TURN.values(data)
    assert turns.shape == (1, 9, 1)
    assert turns[0, 2:].tolist() == [[1.0]] * 7


def test_a_video_without_a_sprite_has_no_motion() -> None:
    empty = np.full((1, 2, SIZE, 32, 32, 3), 90, np.uint8)
    data = TargetInput(empty[:, :, -1], np.zeros((1, 1, 1, 1, 1), np.float32), SIZE, empty)
    assert np.isnan(VELOCITY.values(data)).all()
    assert np.isnan(NEXT_TURN.values(data)).all()


def test_velocity_is_the_last_step_of_each_chunk() -> None:
    """A sprite that moves one pixel further in every step, and is not in view in the seventh frame."""
    x = np.array([0, 1, 3, 6, 10, 15, np.nan, 28, 36], np.float32)
    nothing = np.zeros(9, np.int64)
    sprite = TrackedObject(nothing, nothing, nothing, nothing, nothing, x, -2 * x, np.full(9, 4.0, np.float32))
    np.testing.assert_array_equal(_velocity(sprite, SIZE), [[2, -4], [5, -10], [8, -16]])
    np.testing.assert_array_equal(
        _velocity(sprite, 1)[[0, 1, 6, 7]], [[np.nan] * 2, [1, -2], [np.nan] * 2, [np.nan] * 2]
    )


def test_velocity_is_read_from_true_videos() -> None:
    checked = 0
    for index in range(6):
        one = episode("train", 0, index)
        if len(one.scene.sprites) > 1:
            continue
        steps = one.frames[ENDS].reshape(1, -1, SIZE, 32, 32, 3)
        data = TargetInput(steps[:, :, -1], np.zeros((1, 1, 1, 1, 1), np.float32), SIZE, steps)
        found = VELOCITY.values(data)[0]
        moved = np.diff(one.labels.position[ENDS, 0], axis=0)[SIZE - 2 :: SIZE]
        clear = one.labels.visible_fraction[ENDS, 0] > 0.95
        known = np.isfinite(found).all(axis=1) & (clear[1:] & clear[:-1])[SIZE - 2 :: SIZE]
        np.testing.assert_allclose(found[known], moved[known], atol=0.35)
        checked += int(known.sum())
        turns = NEXT_TURN.values(data)[0, :, 0]
        assert ((turns[np.isfinite(turns)] > 0) & (turns[np.isfinite(turns)] <= 1)).all()
    assert checked > 6


def test_nothing_of_the_past_says_when_a_sprite_turns() -> None:
    """The time of the turn does not go with what the chunk before did: a negative control must not leak."""
    states = MotionState(np.full(1500, 256), np.full(1500, 256), np.arange(1500) % 8)
    walked = walk(states, 4.0, 81, np.random.default_rng(0))
    before, after = [], []
    for path in np.array([(walked[end].x, walked[end].y) for end in ENDS]).transpose(2, 0, 1) / 16:
        values = turns_of(path.tolist())
        for one, following in pairwise(values[1:]):
            if np.isfinite(one) and np.isfinite(following):
                before.append(one < 1)
                after.append(following < 1)
    turned, quiet = (np.array(after)[np.array(before) == state] for state in (True, False))
    rates = turned.mean(), quiet.mean()
    assert 0.02 < rates[1] < 0.08  # two steps of four frames at 1/160 per frame, less what is missed
    error = np.sqrt(rates[1] * (1 - rates[1]) * (1 / len(turned) + 1 / len(quiet)))
    assert abs(rates[0] - rates[1]) < 3.5 * error


def test_targets_of_motion_have_names() -> None:
    assert {"sprite-velocity", "sprite-next-turn"} <= set(TARGETS)
