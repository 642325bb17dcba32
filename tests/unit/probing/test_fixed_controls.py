"""Controls that read no state: the mean frame, motion in a straight line, and how much a video moves."""

import numpy as np
import pytest

from probekit.probing.fixed_controls import linear_motion, mean_frame, motion_of


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


@pytest.mark.parametrize("ahead", [1, 2])
def test_what_moved_goes_on_in_the_same_direction_and_as_far_each_frame(ahead: int) -> None:
    frames = np.stack([disc(9), disc(11), disc(13)])[None]
    found = linear_motion(frames, ahead)
    assert found.shape == (1, 32 * 32 * 3)
    picture = found.reshape(32, 32, 3)

    def error(column: float) -> float:
        return float(np.square(picture - disc(column) / 255).mean())

    expected = 13 + 2 * ahead
    assert error(expected) < 0.15 * error(13)
    assert error(expected) < error(expected - 2)
    assert error(expected) < error(expected + 2)


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
    """Levels 0, 51, 51 and 255 in two chunks of two frames: changes of 0.2, 0 and 0.8."""
    levels = np.array([0, 51, 51, 255], np.uint8).reshape(1, 2, 2, 1, 1, 1)
    moving = np.broadcast_to(levels, (1, 2, 2, 3, 4, 3))
    still = np.full_like(moving, 9)
    found = motion_of(np.concatenate([moving, still]))
    assert found.tolist() == pytest.approx([1 / 3, 0.0])
