"""Semantic dimensions of the sprite world on objects made by hand: what is due, found and confirmed."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest

from probekit.evaluation.sprite.semantic import (
    color,
    count_shapes,
    multiple_objects,
    object_class,
    overall_consistency,
)
from probekit.sprite_world.captions import CaptionFacts
from probekit.sprite_world.dynamics import path_without_turns
from probekit.sprite_world.scene import Sprite
from probekit.sprite_world.tracker_objects import UNKNOWN, Sight, TrackedObject
from probekit.sprite_world.vocabulary import BACKGROUNDS, COLORS, SHAPES, SIZES

CLEAR, PARTIAL, HIDDEN, ABSENT = Sight.CLEAR, Sight.PARTIAL, Sight.HIDDEN, Sight.ABSENT
FIRST = Sprite("red", "circle", "large", "northwest", "east")
SECOND = Sprite("blue", "square", "small", "southeast", "west")
T = 14


class Tracks(NamedTuple):
    """What the dimensions read of the tracks."""

    frame_background: np.ndarray
    frame_background_match: np.ndarray
    frame_pillar_x: np.ndarray


class Video(NamedTuple):
    """What the dimensions read of a video."""

    facts: CaptionFacts
    objects: tuple[TrackedObject, ...]
    tracks: Tracks
    frames: np.ndarray


def video(
    sprites: Sequence[Sprite], *objects: TrackedObject, pillar: bool = False, frames: int = T, **tracks: Any
) -> Any:
    meadow = np.full(frames, list(BACKGROUNDS).index("meadow"))
    seen = {
        "frame_background": meadow, "frame_background_match": np.ones(frames), "frame_pillar_x": np.full(frames, -1),
        **tracks,
    }  # fmt: skip
    facts = CaptionFacts(tuple(sprites), "meadow", pillar)
    return Video(facts, objects, Tracks(**seen), np.zeros((frames, 32, 32, 3), np.uint8))


def drawn(sprite: Sprite, sight: Sequence[int] = (CLEAR,) * T, shift: float = 0.0, **looks: Any) -> TrackedObject:
    """A sprite on its path without turns, moved by `shift` px along x; other looks by name, (T,) or one."""
    seen = np.array(sight)
    visible = np.isin(seen, (CLEAR, PARTIAL))
    path = path_without_turns(sprite, len(seen))
    given = {
        "color": list(COLORS).index(sprite.color), "shape": SHAPES.index(sprite.shape),
        "size": list(SIZES).index(sprite.size), **looks,
    }  # fmt: skip
    whole = {name: np.where(visible, np.broadcast_to(values, seen.shape), UNKNOWN) for name, values in given.items()}
    return TrackedObject(
        seen,
        whole["color"],
        whole["shape"],
        whole["size"],
        np.where(visible, 1, UNKNOWN),
        path[:, 0] + shift,
        path[:, 1],
        np.full(len(seen), 3.0),
    )


def test_sprites_are_due_unless_hidden_or_partly_in_view() -> None:
    sights = [CLEAR, PARTIAL, HIDDEN, ABSENT]
    counts = count_shapes(video([FIRST, SECOND], drawn(FIRST, sights), drawn(SECOND, sights[::-1]), frames=4))
    assert counts.due.tolist() == [2, 0, 0, 2]
    assert counts.found.tolist() == [1, 0, 0, 1]
    many = count_shapes(video([FIRST], drawn(FIRST, [HIDDEN] * 2), drawn(SECOND, [PARTIAL] * 2), frames=2))
    assert many.due.tolist() == [0, 0]  # never below none


def test_a_sprite_is_found_by_its_shape_and_coloured_if_that_shape_has_its_colour() -> None:
    wrong = drawn(FIRST, color=list(COLORS).index("blue"))
    counts = count_shapes(video([FIRST, SECOND], wrong, drawn(SECOND)))
    assert (set(counts.found), set(counts.colored)) == ({2}, {1})
    found = color(video([FIRST, SECOND], wrong, drawn(SECOND)))
    assert (found.numerator, found.denominator) == (T, 2 * T)
    nothing = drawn(FIRST, shape=UNKNOWN)
    assert set(count_shapes(video([FIRST], nothing)).found) == {0}
    assert color(video([FIRST], nothing)).reason == "no prompted shape was found"


def test_an_object_of_unknown_shape_is_none_and_one_partly_in_view_stands_for_no_other() -> None:
    last = FIRST._replace(shape=SHAPES[UNKNOWN])
    assert set(count_shapes(video([last], drawn(last, shape=UNKNOWN))).found) == {0}
    counts = count_shapes(video([FIRST, SECOND], drawn(FIRST, [PARTIAL] * T), drawn(SECOND, [ABSENT] * T)))
    assert (set(counts.due), set(counts.found)) == ({1}, {0})


def test_no_more_sprites_are_found_than_are_due() -> None:
    """A third object is hidden, and may be either of the two: one is due, and one at most is found and coloured."""
    hidden = drawn(FIRST, [HIDDEN] * T)
    counts = count_shapes(video([FIRST, SECOND], drawn(FIRST), drawn(SECOND), hidden))
    assert (set(counts.due), set(counts.found), set(counts.colored)) == ({1}, {1}, {1})


def test_two_sprites_of_one_shape_need_two() -> None:
    twin = SECOND._replace(shape="circle")
    assert set(count_shapes(video([FIRST, twin], drawn(FIRST))).found) == {1}
    assert set(count_shapes(video([FIRST, twin], drawn(FIRST), drawn(twin))).found) == {2}


def test_the_class_score_is_the_share_of_due_sprites_that_are_found() -> None:
    half = drawn(FIRST, [CLEAR] * 7 + [ABSENT] * 7)
    found = object_class(video([FIRST], half))
    assert (found.numerator, found.denominator) == (7, T)
    assert object_class(video([FIRST], drawn(FIRST, [HIDDEN] * T))).reason == "no sprite is due in any frame"


def test_multiple_objects_are_judged_where_both_are_due() -> None:
    first = drawn(FIRST, [CLEAR] * 4 + [HIDDEN] * 4 + [ABSENT] * 6)
    found = multiple_objects(video([FIRST, SECOND], first, drawn(SECOND)))
    assert (found.numerator, found.denominator) == (4, 10)
    assert multiple_objects(video([FIRST], first)).reason == "one sprite prompted"
    hidden = drawn(FIRST, [HIDDEN] * T)
    both = multiple_objects(video([FIRST, SECOND], hidden, drawn(SECOND)))
    assert both.reason == "no frame in which both are due"


def facts(*objects: TrackedObject, sprites: Sequence[Sprite] = (FIRST,), **options: Any) -> tuple[float, float]:
    """How many facts are confirmed, of how many."""
    found = overall_consistency(video(sprites, *objects, **options))
    assert found.numerator is not None
    assert found.denominator is not None
    return found.numerator, found.denominator


def test_a_caption_has_five_facts_of_each_sprite_and_three_of_the_scene() -> None:
    assert facts(drawn(FIRST)) == (8, 8)
    assert facts(drawn(SECOND), drawn(FIRST), sprites=(FIRST, SECOND)) == (13, 13)


def test_looks_are_confirmed_to_the_extent_of_clear_and_absent_frames() -> None:
    """Of 14 frames 6 are clear, 4 of them with the colour, 2 absent and the rest hidden."""
    sight = [CLEAR] * 4 + [HIDDEN] * 6 + [CLEAR, CLEAR, ABSENT, ABSENT]
    red, blue = (list(COLORS).index(name) for name in ("red", "blue"))
    one = drawn(FIRST, sight, color=[red] * 10 + [blue] * 4)
    count = 12 / 14  # absent in two frames
    assert facts(one)[0] == pytest.approx(4 / 8 + 6 / 8 + 6 / 8 + 1 + 1 + count + 1 + 1)


def test_one_clear_frame_is_enough_for_looks_and_none_confirms_none() -> None:
    """The count, the background and the pillar are confirmed either way, the start in the clear frame."""
    assert facts(drawn(FIRST, [CLEAR] + [HIDDEN] * (T - 1)))[0] == 3 + 1 + 3
    assert facts(drawn(FIRST, [HIDDEN] * T))[0] == 3


@pytest.mark.parametrize(("shift", "confirmed"), [(0.9, 2), (-0.9, 2), (1.0, 2), (1.1, 0)])
def test_start_and_heading_are_within_a_pixel_on_average(shift: float, confirmed: int) -> None:
    assert facts(drawn(FIRST, shift=shift))[0] == 6 + confirmed


def test_the_start_is_in_frames_0_to_3_and_the_heading_in_8_to_11() -> None:
    for frames, lost in ((range(4), 1), (range(8, 12), 1), ([4, 5, 6, 7, 12, 13], 0)):
        away = np.zeros(T)
        away[list(frames)] = 9.0
        assert facts(drawn(FIRST, shift=away))[0] == 8 - lost
    for frame, lost in ((0, 1), (3, 1), (4, 0), (7, 0), (8, 1), (11, 1), (12, 0)):
        away = np.zeros(T)
        away[frame] = 9.0  # 2.25 px on average over four frames
        assert facts(drawn(FIRST, shift=away))[0] == 8 - lost, frame
    hidden = drawn(FIRST, [HIDDEN] * 4 + [CLEAR] * 10)
    assert facts(hidden)[0] == 7  # no start to be seen


def test_objects_are_assigned_so_that_most_is_confirmed_and_a_missing_one_confirms_nothing() -> None:
    worse = drawn(FIRST, size=list(SIZES).index("small"))
    assert facts(worse, drawn(FIRST))[0] == 5 + 0 + 2  # the count is wrong
    assert facts(drawn(FIRST), sprites=(FIRST, SECOND)) == (5 + 2, 13)
    assert facts()[0] == 2


def test_the_background_has_to_match_by_half_and_the_pillar_to_be_as_prompted() -> None:
    match = np.array([0.5] * 7 + [0.49] * 7)
    assert facts(drawn(FIRST), frame_background_match=match)[0] == 7.5
    night = np.array([list(BACKGROUNDS).index("night")] * 7 + [list(BACKGROUNDS).index("meadow")] * 7)
    assert facts(drawn(FIRST), frame_background=night)[0] == 7.5
    pillar = np.array([0] * 7 + [-1] * 7)
    assert facts(drawn(FIRST), frame_pillar_x=pillar)[0] == 7.5
    assert facts(drawn(FIRST), frame_pillar_x=np.full(T, 9), pillar=True)[0] == 8
