"""Which attributes of a sprite last: behind something, and over the same time in view."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from probekit.evaluation.sprite.identity import Identity, identity_over
from probekit.sprite_world.scene import Sprite
from probekit.sprite_world.tracker_objects import UNKNOWN, Sight, TrackedObject, gaps

STATED: Final = frozenset(Identity._fields) & frozenset(Sprite._fields)
"""Attributes that captions state, which a generator can read again at any time; the others it has to remember."""

IDENTITY_FRAMES: Final = 16
OCCLUSION_FRAMES: Final = 2
_PAUSE: Final = 12
"""Frames between the two looks at a sprite that stays in view: one chunk, about as long as true occlusions."""


class KeptAttribute(NamedTuple):
    """Whether a sprite had one attribute still after a while.

    Attributes:
        attribute: a field of `Identity`.
        occluded: whether it was out of view in between.
        kept: whether its most frequent value before is that after; pixels that look like no sprite keep nothing.
    """

    attribute: str
    occluded: bool
    kept: bool


def kept_attributes(objects: tuple[TrackedObject, ...]) -> Iterator[KeptAttribute]:
    """Every attribute over every occlusion with return, and of objects that never leave view over a pause."""
    for this in objects:
        hidden = [gap for gap in gaps(this.visible) if gap.stop - gap.start >= OCCLUSION_FRAMES]
        for gap in hidden:
            yield from _compared(looks_around(this, gap), occluded=True)
        if not hidden:
            middle = len(this.sight) // 2
            yield from _compared(looks_around(this, slice(middle - _PAUSE // 2, middle + _PAUSE // 2)), occluded=False)


def looks_around(this: TrackedObject, gap: slice) -> tuple[Identity, Identity] | None:
    """The most frequent looks of the last 16 clear frames before some frames and of the first 16 after them.

    None where there is no clear frame on a side.
    """
    clear = np.flatnonzero(this.sight == Sight.CLEAR)
    before, after = clear[clear < gap.start], clear[clear >= gap.stop]
    if not len(before) or not len(after):
        return None
    return identity_over(this, before[-IDENTITY_FRAMES:]), identity_over(this, after[:IDENTITY_FRAMES])


def _compared(looks: tuple[Identity, Identity] | None, *, occluded: bool) -> Iterator[KeptAttribute]:
    if looks is not None:
        for name, before, after in zip(Identity._fields, *looks, strict=True):
            yield KeptAttribute(name, occluded, before == after != UNKNOWN)
