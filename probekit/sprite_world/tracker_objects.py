"""From colour tracks to objects: which tracks are one sprite, and whether a sprite that cannot be seen is hidden.

A video of the sprite world begins with all its sprites in view, so a colour that turns up later while another sprite
cannot be seen is that sprite in a new colour. A sprite that disappears beside the pillar or another sprite is hidden;
one that disappears in the open is absent, which the world's physics does not allow.
"""

from enum import IntEnum
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.sprite_world.tracker import Bool, Float, Int, SpriteTrack, TrackedVideo
from probekit.sprite_world.vocabulary import COLORS, PILLAR_WIDTH, SIZES

UNKNOWN: Final = -1
"""Shape or size of pixels that look like no sprite."""

_LEGIBLE_FIT: Final = 0.75
"""Fit above which shape and size are taken as read; true sprites half in view have 0.83 or more 999 times in 1000."""
_JUDGED_FRACTION: Final = 0.5
_WHOLE_FRACTION: Final = 0.95
_GARBLED_FRACTION: Final = 0.3
_SURE: Final = 0.8
_FIRST_FRAMES: Final = 4
_SHARED_SHARE: Final = 0.1
_JUDGED_FRAMES: Final = 3
_BESIDE: Final = 2.0
_BESIDE_FRAMES: Final = 4
_RADII: Final = np.array(list(SIZES.values()), np.float32)


class Sight(IntEnum):
    """What can be said about an object in a frame."""

    CLEAR = 0
    """Its identity can be judged: it is whole, or half in view and distinct, or looks like no sprite at all."""
    PARTIAL = 1
    """In view, but too little of it to judge."""
    HIDDEN = 2
    """Out of view since it was beside the pillar or another sprite."""
    ABSENT = 3
    """Out of view without anything that could hide it."""


class TrackedObject(NamedTuple):
    """One sprite over the T frames of a video, whatever happens to its looks; arrays (T,).

    Attributes:
        sight: values of `Sight`.
        color: index into `COLORS`; `UNKNOWN` where nothing is visible.
        shape: index into `SHAPES`; `UNKNOWN` where nothing is visible or no template fits.
        size: index into `SIZES`; `UNKNOWN` as `shape`.
        tone: index into `TONES`; `UNKNOWN` as `shape`.
        x: centre in pixels, NaN where nothing is visible.
        y: centre in pixels, NaN where nothing is visible.
        radius: radius of the fitted template in pixels, 0 where nothing is visible.
    """

    sight: Int
    color: Int
    shape: Int
    size: Int
    tone: Int
    x: Float
    y: Float
    radius: Float

    @property
    def visible(self) -> Bool:
        """Where anything of it is in view, (T,)."""
        return np.not_equal(self.color, UNKNOWN)


def tracked_objects(video: TrackedVideo) -> tuple[TrackedObject, ...]:
    """Group the tracks of a video into objects; specks that are never half in view are no objects."""
    tracks = [track for track in video.tracks if _judged(track).sum() >= min(_JUDGED_FRAMES, len(track.visible))]
    groups: list[list[SpriteTrack]] = []
    for track in sorted(tracks, key=lambda track: int(track.visible.argmax())):
        group = _predecessor(track, groups)
        if group is None:
            groups.append([track])
        else:
            group.append(track)
    seen = [_merge(group) for group in groups]
    return tuple(
        this._replace(sight=_sight(this, seen[:i] + seen[i + 1 :], video.pillar_x)) for i, this in enumerate(seen)
    )


def _judged(track: SpriteTrack) -> Bool:
    """Where (T,) the track says what it shows, or shows something that is no sprite.

    Half a sprite may fit two identities, which is no flaw of the video; a whole one that does is one, and so are pixels
    that fit none.
    """
    distinct = (track.confidence >= _SURE) | (track.visible_fraction >= _WHOLE_FRACTION)
    readable = (track.visible_fraction >= _JUDGED_FRACTION) & distinct
    garbled = (track.visible_fraction >= _GARBLED_FRACTION) & (track.fit < _LEGIBLE_FIT)
    return np.asarray(track.visible & (readable | garbled))


def _predecessor(track: SpriteTrack, groups: list[list[SpriteTrack]]) -> list[SpriteTrack] | None:
    """The object that a late track continues: one seen before it, hardly ever with it, and last seen nearest to it."""
    start = int(track.visible.argmax())
    if start < _FIRST_FRAMES:
        return None
    earlier = [group for group in groups if any(other.visible[:start].any() for other in group)]
    free = [group for group in earlier if _shared_share(track, group) <= _SHARED_SHARE]
    return min(free, key=lambda group: _distance(track, start, group), default=None)


def _shared_share(track: SpriteTrack, group: list[SpriteTrack]) -> float:
    others = np.logical_or.reduce([other.visible for other in group])
    return float((track.visible & others).sum() / track.visible.sum())


def _distance(track: SpriteTrack, start: int, group: list[SpriteTrack]) -> float:
    seen = ((np.flatnonzero(other.visible[:start]), i) for i, other in enumerate(group))
    last, other = max((int(frames[-1]), i) for frames, i in seen if len(frames))
    return float(np.hypot(track.x[start] - group[other].x[last], track.y[start] - group[other].y[last]))


def _merge(group: list[SpriteTrack]) -> TrackedObject:
    """Join tracks; where two are in view, the one with the better fit counts."""
    names = tuple(COLORS)
    fit = np.stack([track.fit * track.visible for track in group])
    best = fit.argmax(0)

    def chosen(values: list[NDArray[Any]]) -> NDArray[Any]:
        return np.asarray(np.take_along_axis(np.stack(values), best[None], 0)[0])

    visible = np.logical_or.reduce([track.visible for track in group])
    legible = visible & (fit.max(0) >= _LEGIBLE_FIT)
    judged = np.asarray(chosen([_judged(track) for track in group]), bool)
    size = np.asarray(chosen([track.size for track in group]), np.int64)
    return TrackedObject(
        sight=np.where(judged, Sight.CLEAR, np.where(visible, Sight.PARTIAL, Sight.ABSENT)).astype(np.int64),
        color=np.where(visible, np.array([names.index(track.color) for track in group])[best], UNKNOWN),
        shape=np.where(legible, np.asarray(chosen([track.shape for track in group]), np.int64), UNKNOWN),
        size=np.where(legible, size, UNKNOWN),
        tone=np.where(legible, np.asarray(chosen([track.tone for track in group]), np.int64), UNKNOWN),
        x=np.asarray(chosen([track.x for track in group]), np.float32),
        y=np.asarray(chosen([track.y for track in group]), np.float32),
        radius=np.where(visible, _RADII[size], np.float32(0)),
    )


def _sight(this: TrackedObject, others: list[TrackedObject], pillar_x: int | None) -> Int:
    """Mark the gaps that an occluder explains: it was beside the object in the last frames before the gap."""
    beside = _beside_occluder(this, others, pillar_x)
    sight = this.sight.copy()
    for gap in gaps(this.visible):
        before = np.flatnonzero(this.visible[: gap.start])[-_BESIDE_FRAMES:]
        witnesses = before if len(before) else np.array([gap.stop])
        if beside[witnesses].any():
            sight[gap.start : gap.stop] = Sight.HIDDEN
    return sight


def gaps(visible: Bool) -> list[slice]:
    """Runs of frames in which an object that is seen at some time cannot be seen."""
    edges = np.flatnonzero(np.diff(np.concatenate(([True], visible, [True])).astype(np.int8)))
    return [slice(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def _beside_occluder(this: TrackedObject, others: list[TrackedObject], pillar_x: int | None) -> Bool:
    """Where (T,) the object's bounding box is within 2 px of the pillar or of another object's box."""
    reach = this.radius + _BESIDE
    beside = np.zeros(len(reach), bool)
    if pillar_x is not None:
        beside |= (this.x + reach >= pillar_x) & (this.x - reach <= pillar_x + PILLAR_WIDTH)
    for other in others:
        apart = np.maximum(np.abs(this.x - other.x), np.abs(this.y - other.y))
        beside |= apart <= reach + other.radius
    return beside
