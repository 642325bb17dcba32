"""What lasts, by hand: looks around occlusions and pauses."""

import numpy as np
import pytest

from probekit.evaluation.sprite.identity import Identity
from probekit.evaluation.sprite.permanence import STATED, KeptAttribute, kept_attributes, looks_around
from probekit.sprite_world.tracker_objects import UNKNOWN, Sight, TrackedObject


def thing(sight: list[int], color: list[int], shape: int = 1) -> TrackedObject:
    """An object that changes its colour alone; nothing of it is visible where it is hidden."""
    seen = np.array(sight)
    visible = np.isin(seen, (Sight.CLEAR, Sight.PARTIAL))
    looks = {"color": np.array(color), "shape": np.full(len(seen), shape)}
    whole = {
        name: np.where(visible, looks.get(name, np.zeros(len(seen), np.int64)), UNKNOWN) for name in Identity._fields
    }
    place = np.where(visible, 10.0, np.nan)
    return TrackedObject(sight=seen, **whole, x=place, y=place, radius=np.where(visible, 4.0, 0.0))


def found(one: TrackedObject) -> dict[str, tuple[bool, bool]]:
    return {kept.attribute: (kept.occluded, kept.kept) for kept in kept_attributes((one,))}


CLEAR, HIDDEN, PARTIAL = Sight.CLEAR, Sight.HIDDEN, Sight.PARTIAL


def test_an_attribute_that_changes_out_of_view_is_lost_and_the_others_are_kept() -> None:
    changed = found(thing([CLEAR] * 5 + [HIDDEN] * 3 + [CLEAR] * 5, [2] * 8 + [4] * 5))
    assert changed["color"] == (True, False)
    assert {value for name, value in changed.items() if name != "color"} == {(True, True)}
    same = found(thing([CLEAR] * 5 + [HIDDEN] * 3 + [CLEAR] * 5, [2] * 13))
    assert set(same.values()) == {(True, True)}


def test_pixels_that_look_like_no_sprite_keep_nothing() -> None:
    unclear = found(thing([CLEAR] * 5 + [HIDDEN] * 3 + [CLEAR] * 5, [2] * 13, shape=UNKNOWN))
    assert unclear["shape"] == (True, False)


def test_in_view_the_looks_before_and_after_a_pause_in_the_middle_are_compared() -> None:
    """Of 60 frames, frames 24 to 35 are the pause; 16 on each side count, so that colours elsewhere say nothing."""
    colors = [7] * 8 + [2] * 16 + [5] * 12 + [2] * 16 + [7] * 8
    assert found(thing([CLEAR] * 60, colors))["color"] == (False, True)
    colors[36:52] = [3] * 16
    assert found(thing([CLEAR] * 60, colors))["color"] == (False, False)


def test_a_frame_out_of_view_is_no_occlusion_and_two_are() -> None:
    for hidden, occluded in ((1, False), (2, True)):
        sight = [CLEAR] * 30 + [HIDDEN] * hidden + [CLEAR] * 30
        assert found(thing(sight, [1] * len(sight)))["color"] == (occluded, True)


@pytest.mark.parametrize(("length", "first", "last"), [(60, 24, 35), (81, 34, 45)])
@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("early", [True, False])
def test_sixteen_frames_on_each_side_count_and_not_one_more_or_less(
    length: int, first: int, last: int, side: str, early: bool
) -> None:
    """Eight frames of colour 2 among colour 4: a draw, which the lower wins; any other window has more of the 4."""
    window = range(first - 16, first) if side == "before" else range(last + 1, last + 17)
    colors = np.full(length, 4)
    colors[window.start : window.stop] = [2] * 8 + [4] * 8 if early else [4] * 8 + [2] * 8
    other = range(last + 1, last + 17) if side == "before" else range(first - 16, first)
    colors[other.start : other.stop] = 2
    assert found(thing([CLEAR] * length, colors.tolist()))["color"] == (False, True)


def test_an_occlusions_own_first_and_last_frames_do_not_count() -> None:
    one = thing([CLEAR] * 10, [1, 1, 3, 3, 3, 3, 3, 3, 1, 1])
    looks = looks_around(one, slice(2, 8))
    assert looks is not None
    assert [look.color for look in looks] == [1, 1]
    assert looks_around(one, slice(0, 8)) is None
    assert looks_around(one, slice(2, 10)) is None


def test_what_never_returns_or_never_was_clear_says_nothing() -> None:
    assert found(thing([CLEAR] * 5 + [HIDDEN] * 5, [1] * 10)) == {}
    assert found(thing([PARTIAL] * 5 + [HIDDEN] * 5 + [CLEAR] * 5, [1] * 15)) == {}


def test_captions_state_colour_shape_and_size() -> None:
    assert STATED == {"color", "shape", "size"}
    assert "tone" in set(Identity._fields) - STATED
    assert KeptAttribute("color", True, True).attribute in STATED
