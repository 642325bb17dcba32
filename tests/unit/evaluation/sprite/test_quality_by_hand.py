"""Quality dimensions of the sprite world on objects made by hand: every rule's numbers and edges."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest

from probekit.evaluation.sprite.quality import (
    background_consistency,
    dynamic_degree,
    motion_smoothness,
    object_permanence,
    subject_consistency,
)
from probekit.sprite_world.tracker_objects import UNKNOWN, Sight, TrackedObject

CLEAR, PARTIAL, HIDDEN, ABSENT = Sight.CLEAR, Sight.PARTIAL, Sight.HIDDEN, Sight.ABSENT


class Video(NamedTuple):
    """What the dimensions read of a video."""

    objects: tuple[TrackedObject, ...]
    frames: np.ndarray = np.zeros((0, 32, 32, 3), np.uint8)
    fps: float = 16.0


def thing(
    sight: Sequence[int], color: Sequence[int] | int = 0, shape: int = 0, x: Any = 10.0, y: Any = 10.0
) -> TrackedObject:
    """An object of one size and tone; nothing of it is visible where it is hidden or absent."""
    seen = np.array(sight)
    visible = np.isin(seen, (CLEAR, PARTIAL))

    def whole(values: Any) -> np.ndarray:
        return np.where(visible, np.broadcast_to(np.asarray(values), seen.shape), UNKNOWN)

    def floats(values: Any) -> np.ndarray:
        return np.where(visible, np.broadcast_to(np.asarray(values, np.float32), seen.shape), np.nan)

    radius = np.where(visible, 2.0, 0.0)
    return TrackedObject(seen, whole(color), whole(shape), whole(1), whole(2), floats(x), floats(y), radius)


def value(score: Any) -> float | None:
    found: float | None = score.value
    return found


def subject(*objects: TrackedObject) -> Any:
    return subject_consistency(Video(objects))  # type: ignore[arg-type]


def test_a_subject_is_compared_with_the_frame_before_and_with_its_first_look() -> None:
    """Colours 0 0 0 1 0: agreement 3/4 wherever the colour differs, else 1."""
    changed = thing([CLEAR] * 5, color=[0, 0, 0, 1, 0])
    frames = [1.0, 1.0, (3 / 4 + 3 / 4) / 2, (3 / 4 + 1) / 2]
    assert value(subject(changed)) == pytest.approx(sum(frames) / 4)


def test_the_first_look_is_the_most_frequent_of_four_clear_frames() -> None:
    """Colours 1 1 0 0 1 1 1: of the first four a draw, which the lower index wins; of three or five it would be 1."""
    one = thing([CLEAR] * 7, color=[1, 1, 0, 0, 1, 1, 1])
    to_previous = [1, 3 / 4, 1, 3 / 4, 1, 1]
    to_first = [3 / 4, 1, 1, 3 / 4, 3 / 4, 3 / 4]
    expected = sum((a + b) / 2 for a, b in zip(to_previous, to_first, strict=True)) / 6
    assert value(subject(one)) == pytest.approx(expected)


def test_absent_frames_count_zero_and_hidden_or_partial_ones_nowhere() -> None:
    gone = thing([CLEAR, CLEAR, ABSENT, HIDDEN, PARTIAL, CLEAR])
    assert value(subject(gone)) == pytest.approx(2 / 3)


def test_a_subjects_score_is_the_mean_over_objects_that_are_clear_twice() -> None:
    whole, gone, short = thing([CLEAR] * 3), thing([CLEAR, CLEAR, ABSENT]), thing([CLEAR, ABSENT, ABSENT])
    assert value(subject(whole, gone, short)) == pytest.approx((1 + 1 / 2) / 2)
    assert subject(short).reason == "no sprite can be followed"
    assert value(subject(thing([CLEAR, CLEAR]))) == 1


def background(levels: Sequence[int], *objects: TrackedObject) -> Any:
    frames = np.zeros((len(levels), 32, 32, 3), np.uint8) + np.array(levels, np.uint8)[:, None, None, None]
    return background_consistency(Video(objects, frames))  # type: ignore[arg-type]


def test_a_background_is_compared_with_the_frame_before_and_the_first_on_a_scale_of_32() -> None:
    """Levels 0 8 24 80: differences to the frame before 8 16 56, to the first 8 24 80."""
    to_previous, to_first = [1 - 8 / 32, 1 - 16 / 32, 0], [1 - 8 / 32, 1 - 24 / 32, 0]
    expected = sum((a + b) / 2 for a, b in zip(to_previous, to_first, strict=True)) / 3
    assert value(background([0, 8, 24, 80])) == pytest.approx(expected)


def test_colours_are_averaged_before_they_are_compared() -> None:
    frames = np.zeros((2, 32, 32, 3), np.uint8)
    frames[1, ..., 0] = 48  # 16 on average
    assert value(background_consistency(Video((), frames))) == pytest.approx(0.5)  # type: ignore[arg-type]


def test_pixels_within_a_sprites_radius_and_three_more_do_not_count_in_either_frame() -> None:
    """Radius 2: of centre (10, 20) the columns 5 to 14 and rows 15 to 24 are near, whose centres end on a half."""
    sprite = thing([CLEAR, CLEAR], x=10.0, y=20.0)
    near = np.zeros((32, 32), bool)
    near[15:25, 5:15] = True
    frames = np.zeros((2, 32, 32, 3), np.uint8)
    frames[1, near] = 255
    assert value(background_consistency(Video((sprite,), frames))) == 1.0  # type: ignore[arg-type]
    for row, column in ((14, 9), (25, 9), (19, 4), (19, 15)):  # next to it on each side
        spot = frames.copy()
        spot[1, row, column] = 16
        found = value(background_consistency(Video((sprite,), spot)))  # type: ignore[arg-type]
        assert found == pytest.approx(1 - 0.5 / (32 * 32 - 100))
    moved = thing([CLEAR, CLEAR], x=[10.0, 26.0], y=[20.0, 6.0])
    there = np.zeros((2, 32, 32, 3), np.uint8)
    there[1, near] = 255  # behind the sprite in the first frame only
    there[1, 1:11, 21:31] = 255
    assert value(background_consistency(Video((moved,), there))) == 1.0  # type: ignore[arg-type]


def test_one_free_pixel_is_a_background() -> None:
    """Three sprites leave the last pixel of the last row."""
    reach = np.array([12.3, 12.3])  # 15.3 px with the margin
    covers = [
        thing([CLEAR, CLEAR], x=x, y=y)._replace(radius=reach) for x, y in ((15.5, 15.5), (40.0, 15.5), (15.5, 40.0))
    ]
    frames = np.zeros((2, 32, 32, 3), np.uint8)
    frames[1] = 200
    frames[1, 31, 31] = 16
    assert value(background_consistency(Video(tuple(covers), frames))) == 0.5  # type: ignore[arg-type]


def test_no_free_pixel_gives_no_background() -> None:
    everywhere = thing([CLEAR, CLEAR], x=16.0, y=16.0)._replace(radius=np.array([40.0, 40.0]))
    found = background([0, 0], everywhere)
    assert (found.value, found.reason) == (None, "no background pixel in two frames")
    once = everywhere._replace(radius=np.array([0.0, 0.0, 40.0]), x=np.full(3, 16.0), y=np.full(3, 16.0))
    assert value(background([0, 0, 90], once)) == 1.0  # only the pair of the first two frames is judged


def smoothness(*objects: TrackedObject) -> Any:
    return motion_smoothness(Video(objects))  # type: ignore[arg-type]


def path(times: int, *, turn_at: int, speed: float = 1.0) -> np.ndarray:
    """Positions at a constant speed that turns round at a frame."""
    steps = np.where(np.arange(times - 1) < turn_at, speed, -speed)
    return 5 + np.concatenate([[0], np.cumsum(steps)])


def deviations(x: np.ndarray, y: np.ndarray) -> list[float]:
    """|p(t) - [p(t-4) + p(t+4)] / 2| of positions averaged over four frames."""
    smooth = [np.array([x[t : t + 4].mean(), y[t : t + 4].mean()]) for t in range(len(x) - 3)]
    return [float(np.hypot(*(smooth[t] - (smooth[t - 4] + smooth[t + 4]) / 2))) for t in range(4, len(smooth) - 4)]


@pytest.mark.parametrize("times", [12, 13, 20])
def test_smoothness_is_the_distance_from_constant_velocity_over_four_frames(times: int) -> None:
    x, y = path(times, turn_at=6), path(times, turn_at=8, speed=0.5)
    expected = [1 / (1 + d**2) for d in deviations(x, y)]
    assert min(expected) < 0.6
    found = smoothness(thing([CLEAR] * times, x=x, y=y))
    assert found.value == pytest.approx(sum(expected) / len(expected), rel=1e-5)
    assert found.denominator == times - 11


def test_constant_velocity_is_perfectly_smooth_and_twelve_clear_frames_are_needed() -> None:
    straight = path(12, turn_at=99)
    assert value(smoothness(thing([CLEAR] * 12, x=straight, y=straight))) == pytest.approx(1.0)
    assert smoothness(thing([CLEAR] * 11, x=straight[:11])).reason == "no sprite is clearly in view for 12 frames"
    hidden = thing([CLEAR] * 12 + [PARTIAL] + [CLEAR] * 11, x=path(24, turn_at=6))
    assert smoothness(hidden).denominator == 1  # no window reaches over the frame in which it is not clear
    both = smoothness(thing([CLEAR] * 12, x=straight), thing([CLEAR] * 14, x=path(14, turn_at=99)))
    assert (both.value, both.denominator) == (pytest.approx(1.0), 4)


def dynamic(fps: float, *objects: TrackedObject) -> float | None:
    return value(dynamic_degree(Video(objects, fps=fps)))  # type: ignore[arg-type]


def steps(moves: Sequence[float]) -> np.ndarray:
    return np.concatenate([[0.0], np.cumsum(moves)]) + 5


@pytest.mark.parametrize(
    ("moves", "expected"),
    [
        ([0.3, 0, 0, 0], 1.0), ([0.25, 0, 0, 0], 0.0), ([0.3, 0, 0, 0, 0], 0.0), ([0.3, 0.3, 0, 0, 0], 1.0),
        ([0.0] * 4, 0.0),
    ],
)  # fmt: skip
def test_a_quarter_of_the_pairs_has_to_move_more_than_a_quarter_pixel(moves: list[float], expected: float) -> None:
    assert dynamic(8.0, thing([CLEAR] * (len(moves) + 1), x=steps(moves))) == expected


@pytest.mark.parametrize(("fps", "expected"), [(8.0, 0.0), (16.0, 1.0), (24.0, 1.0), (4.0, 0.0), (3.0, 0.0)])
def test_pairs_are_an_eighth_of_a_second_apart(fps: float, expected: float) -> None:
    """0.2 px for each frame are 0.4 px for two of them."""
    assert dynamic(fps, thing([CLEAR] * 13, x=steps([0.2] * 12))) == expected


def test_both_axes_and_any_sprite_count_and_pairs_without_a_clear_sprite_do_not() -> None:
    diagonal = steps([0.2] * 4)
    assert dynamic(8.0, thing([CLEAR] * 5, x=diagonal, y=diagonal)) == 1.0
    still = thing([CLEAR] * 5)
    assert dynamic(8.0, still, thing([CLEAR] * 5, x=steps([0, 0, 9, 0]))) == 1.0
    mostly_hidden = thing([CLEAR, CLEAR, *[HIDDEN] * 6], x=steps([1.0] * 7))
    assert dynamic(8.0, mostly_hidden) == 1.0
    assert dynamic(8.0) == 0.0
    assert dynamic(8.0, thing([CLEAR, HIDDEN, CLEAR])) == 0.0


def permanence(*objects: TrackedObject) -> Any:
    return object_permanence(Video(objects))  # type: ignore[arg-type]


@pytest.mark.parametrize(("gap", "counted"), [(1, False), (2, True), (3, True)])
def test_an_occlusion_is_two_frames_or_more_out_of_view(gap: int, counted: bool) -> None:
    colors = [0] * (3 + gap) + [1] * 3
    found = permanence(thing([CLEAR] * 3 + [HIDDEN] * gap + [CLEAR] * 3, color=colors))
    assert found.value == (pytest.approx(3 / 4) if counted else None)
    assert found.reason == (None if counted else "no occlusion")


def test_looks_are_the_most_frequent_of_sixteen_clear_frames_on_each_side() -> None:
    before = [1] * 17 + [0] * 9 + [1] * 7  # of the last 16 clear frames nine are 0; of more, most are 1
    after = [0] * 7 + [1] * 9 + [0] * 17
    sight = [CLEAR] * 33 + [HIDDEN] * 2 + [CLEAR] * 33
    found = permanence(thing(sight, color=[*before, 0, 0, *after]))
    assert found.value == pytest.approx(3 / 4)


def test_the_sixteenth_frame_decides_and_the_seventeenth_does_not() -> None:
    """Fifteen frames are a tie of 0 and 1, sixteen have most of 1, and seventeen would be a tie again."""
    before = [0] + [1] + [0] * 7 + [1] * 7 + [2]
    sight, same = [CLEAR] * 17 + [HIDDEN] * 2 + [CLEAR] * 17, [1] * 17
    assert value(permanence(thing(sight, color=[*before, 0, 0, *same]))) == 1.0
    assert value(permanence(thing(sight, color=[*same, 0, 0, *before[::-1]]))) == 1.0


@pytest.mark.parametrize(
    ("gap", "sight", "expected"), [(60, HIDDEN, 0.0), (59, HIDDEN, None), (60, ABSENT, None), (61, HIDDEN, 0.0)]
)
def test_who_was_hidden_for_sixty_frames_and_does_not_come_back_counts_zero(
    gap: int, sight: int, expected: float | None
) -> None:
    assert value(permanence(thing([CLEAR] * 2 + [sight] * gap))) == expected


def test_who_was_never_clear_before_has_lost_nothing_and_occlusions_weigh_alike() -> None:
    assert value(permanence(thing([PARTIAL, HIDDEN, HIDDEN, CLEAR]))) is None
    twice = thing([CLEAR, HIDDEN, HIDDEN, CLEAR, HIDDEN, HIDDEN, CLEAR], color=[0, 0, 0, 0, 0, 0, 1])
    assert value(permanence(twice, thing([CLEAR, HIDDEN, HIDDEN, CLEAR]))) == pytest.approx((1 + 3 / 4 + 1) / 3)
