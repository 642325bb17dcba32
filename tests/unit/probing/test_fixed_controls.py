"""Controls that read no state: the mean frame, motion in a straight line, and how much a video moves."""

import numpy as np
import pytest

from probekit.probing.fixed_controls import _warped, backward_flow, linear_motion, mean_frame, motion_of


def test_the_mean_frame_is_over_known_goals_and_the_same_for_every_chunk() -> None:
    training = np.array([[1.0, 2.0], [3.0, np.nan], [np.nan, 6.0]], np.float32)
    found = mean_frame(training, rows=3)
    assert found.tolist() == [[2.0, 4.0]] * 3
    assert found.dtype == np.float32


def disc(centre: float, side: int = 32) -> np.ndarray:
    """A bright soft disc in the middle row, at a column: (H, W, 3) uint8."""
    rows, columns = np.mgrid[:side, :side]
    distance = np.hypot(rows - side / 2, columns - centre)
    level = np.clip(20 + 200 / (1 + np.exp(distance - 5)), 0, 255)
    return np.repeat(level[..., None], 3, axis=2).astype(np.uint8)


@pytest.mark.parametrize("seen", [2, 3])
@pytest.mark.parametrize("down", [False, True])
@pytest.mark.parametrize("ahead", [1, 2])
def test_what_moved_goes_on_in_the_same_direction_and_as_far_each_frame(ahead: int, down: bool, seen: int) -> None:
    """To the right or down, from the last two frames, with an older one before them or not."""
    axes = (1, 0, 2) if down else (0, 1, 2)
    frames = np.stack([disc(column).transpose(axes) for column in (9, 11, 13)])[None]
    found = linear_motion(frames[:, -seen:], ahead)
    assert found.shape == (1, 32 * 32 * 3)
    picture = found.reshape(32, 32, 3)

    def error(column: float) -> float:
        return float(np.square(picture - disc(column).transpose(axes) / 255).mean())

    expected = 13 + 2 * ahead
    assert error(expected) < 0.15 * error(13)
    assert error(expected) < error(expected - 2)
    assert error(expected) < error(expected + 2)


def test_what_did_not_move_stays_to_the_last_digit() -> None:
    frames = np.stack([disc(11), disc(11)])[None]
    np.testing.assert_allclose(linear_motion(frames, 3), (disc(11) / 255).reshape(1, -1), atol=1e-6)


def test_between_pixels_a_picture_is_read_bilinearly() -> None:
    plane = np.array([[0, 1, 0, 0], [0, 0, 0, 0]], np.float32)
    rows, columns = np.full(4, 0.25), np.array([0.25, 0.5, 1.5, 1.75])
    np.testing.assert_allclose(
        _warped(plane, np.stack([rows, columns])[:, None])[0], 0.75 * np.array([0.25, 0.5, 0.5, 0.25])
    )


def test_each_channel_moves_with_the_whole_picture() -> None:
    scale = np.array([1.0, 0.5, 0.25])
    frames = np.stack([(disc(9) * scale).astype(np.uint8), (disc(11) * scale).astype(np.uint8)])[None]
    picture = linear_motion(frames, 1).reshape(32, 32, 3)
    np.testing.assert_allclose(picture[..., 1], picture[..., 0] / 2, atol=0.01)
    np.testing.assert_allclose(picture[..., 2], picture[..., 0] / 4, atol=0.01)


def test_without_a_frame_before_or_a_distance_the_last_frame_stays() -> None:
    frames = np.stack([disc(9), disc(11)])[None]
    last = (disc(11) / np.float32(255)).reshape(1, -1)
    np.testing.assert_allclose(linear_motion(frames, 0), last, rtol=1e-6)
    np.testing.assert_allclose(linear_motion(frames[:, 1:], 3), last, rtol=1e-6)


def test_motion_is_the_mean_absolute_change_between_neighbouring_frames_across_chunks() -> None:
    """Levels 0, 51, 51 and 204 in two chunks of two frames: changes of 0.2, 0 and 0.6."""
    levels = np.array([0, 51, 51, 204], np.uint8).reshape(1, 2, 2, 1, 1, 1)
    moving = np.broadcast_to(levels, (1, 2, 2, 3, 4, 3))
    still = np.full_like(moving, 9)
    found = motion_of(np.concatenate([moving, still]))
    assert found.tolist() == pytest.approx([0.8 / 3, 0.0])


def test_one_flow_serves_every_horizon() -> None:
    frames = np.stack([disc(4), disc(6)])[None]
    flow = backward_flow(frames)
    assert flow.shape == (1, 2, 32, 32)
    for ahead in (0, 1, 3):
        np.testing.assert_array_equal(linear_motion(frames, ahead, flow), linear_motion(frames, ahead))
    assert not np.array_equal(linear_motion(frames, 1, 0 * flow), linear_motion(frames, 1, flow))
    np.testing.assert_array_equal(backward_flow(frames[:, 1:]), np.zeros((1, 2, 32, 32)))
