"""Semantic dimensions of the sprite world: what a video must show to be what its prompt says.

A sprite is due in a frame unless it is hidden there or too little of it is in view to judge it; frames in which nothing
is due count nowhere. Only sprites that are clearly in view are recognised.
"""

import itertools
from collections import Counter
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.evaluation.scorer import Need, Score, ScoringInput, WeightFreeScorer, ratio_score
from probekit.evaluation.sprite.quality import TRACKER
from probekit.sprite_world.dynamics import path_without_turns
from probekit.sprite_world.scene import Sprite
from probekit.sprite_world.tracker import TrackedVideo
from probekit.sprite_world.tracker_objects import Sight, TrackedObject
from probekit.sprite_world.vocabulary import BACKGROUNDS, COLORS, SHAPES, SIZES

_BACKGROUND_MATCH: Final = 0.5
_START_FRAMES: Final = slice(0, 4)
_HEADING_FRAMES: Final = slice(8, 12)
_NEAR: Final = 1.0


class ShapeCounts(NamedTuple):
    """Frame by frame (T,): how many prompted sprites are due, and how many are found.

    Attributes:
        due: prompted sprites less those that are hidden or only partly in view.
        found: due sprites whose shape is seen; two sprites of one shape need two.
        colored: found sprites whose colour is seen on that shape.
    """

    due: NDArray[np.int64]
    found: NDArray[np.int64]
    colored: NDArray[np.int64]


def count_shapes(video: ScoringInput) -> ShapeCounts:
    """Count the prompted sprites in every frame. Raises UserError if the prompt is not of the sprite world."""
    sprites, frames = video.facts.sprites, range(len(video.frames))
    sights = np.stack([np.full(len(video.frames), Sight.CLEAR), *(this.sight for this in video.objects)])
    excused = np.isin(sights, (Sight.HIDDEN, Sight.PARTIAL)).sum(0)
    due = np.maximum(len(sprites) - excused, 0)
    looks = [_clear_looks(video.objects, frame) for frame in frames]
    prompted = Counter(sprite.shape for sprite in sprites)
    shapes = np.array([(Counter(shape for _, shape in look) & prompted).total() for look in looks], np.int64)
    colors = np.array([sum((sprite.color, sprite.shape) in look for sprite in sprites) for look in looks], np.int64)
    found = np.minimum(shapes, due)
    return ShapeCounts(due, found, np.minimum(colors, found))


def _clear_looks(objects: tuple[TrackedObject, ...], frame: int) -> list[tuple[str, str]]:
    """(colour, shape) of the sprites that are clearly in view and look like one."""
    return [
        (tuple(COLORS)[this.color[frame]], SHAPES[this.shape[frame]])
        for this in objects
        if this.sight[frame] == Sight.CLEAR and this.shape[frame] >= 0
    ]


def object_class(video: ScoringInput) -> Score:
    """Sum over frames of sprites found by shape / sum over frames of sprites due (VBench: frames with the class)."""
    counts = count_shapes(video)
    return ratio_score(int(counts.found.sum()), int(counts.due.sum()), "no sprite is due in any frame")


def color(video: ScoringInput) -> Score:
    """Sum over frames of sprites found by shape and colour / sum over frames of sprites found by shape.

    As in VBench colour is judged only where the object was found; null if it never was.
    """
    counts = count_shapes(video)
    return ratio_score(int(counts.colored.sum()), int(counts.found.sum()), "no prompted shape was found")


def multiple_objects(video: ScoringInput) -> Score:
    """Frames in which both prompted shapes are found / frames in which both are due.

    Null for prompts of one sprite, so that means are over the prompts of two, and where one is hidden all the time.
    """
    if len(video.facts.sprites) < 2:
        return Score(None, reason="one sprite prompted")
    counts = count_shapes(video)
    both_due = counts.due == 2
    return ratio_score(int((counts.found[both_due] == 2).sum()), int(both_due.sum()), "no frame in which both are due")


def overall_consistency(video: ScoringInput) -> Score:
    """Share of the caption's facts that the video confirms, each to the extent of the frames that confirm it.

    Facts: colour, shape and size of each sprite (over the frames in which its object is clear or absent; objects are
    assigned to sprites so that most is confirmed, a sprite without an object confirms nothing), its start and its
    heading (within 1 px on average of where it should be in frames 0 to 3, and without a turn in frames 8 to 11), the
    number of sprites (hidden ones count), the background, and whether there is a pillar. Numerator: facts confirmed;
    denominator: facts.
    """
    facts, tracks = video.facts, video.tracks
    background = tracks.frame_background == list(BACKGROUNDS).index(facts.background)
    confirmed = [
        *_confirmed_sprites(facts.sprites, video.objects),
        _count_share(len(facts.sprites), video.objects, len(video.frames)),
        float((background & (tracks.frame_background_match >= _BACKGROUND_MATCH)).mean()),
        _pillar_share(facts.pillar, tracks),
    ]
    return ratio_score(sum(confirmed), len(confirmed), "the caption states nothing")


def _confirmed_sprites(sprites: tuple[Sprite, ...], objects: tuple[TrackedObject, ...]) -> list[float]:
    """Facts of the best assignment of objects to sprites; each pair is judged once."""
    pairs = [[*_facts_by_object(sprite, objects), *((0.0,) * len(sprite) for _ in sprites)] for sprite in sprites]
    options = (
        [fact for facts, index in zip(pairs, chosen, strict=True) for fact in facts[index]]
        for chosen in itertools.permutations(range(len(objects) + len(sprites)), len(sprites))
    )
    return max(options, key=sum)


def _facts_by_object(sprite: Sprite, objects: tuple[TrackedObject, ...]) -> list[tuple[float, ...]]:
    """What each object confirms of a sprite: colour, shape, size, start and heading."""
    path = path_without_turns(sprite, _HEADING_FRAMES.stop)
    return [
        (*_looks_of(sprite, this), _follows(path, this, _START_FRAMES), _follows(path, this, _HEADING_FRAMES))
        for this in objects
    ]


def _looks_of(sprite: Sprite, this: TrackedObject) -> tuple[float, float, float]:
    clear, absent = this.sight == Sight.CLEAR, this.sight == Sight.ABSENT
    judged = max(int(clear.sum() + absent.sum()), 1)
    expected = (list(COLORS).index(sprite.color), SHAPES.index(sprite.shape), list(SIZES).index(sprite.size))
    seen = (this.color, this.shape, this.size)
    color, shape, size = (
        float((values[clear] == value).sum() / judged) for values, value in zip(seen, expected, strict=True)
    )
    return color, shape, size


def _follows(path: NDArray[np.float64], this: TrackedObject, frames: slice) -> float:
    """1 if the object's clear positions in these frames are within 1 px of the path's, on average; else 0."""
    clear = this.sight[frames] == Sight.CLEAR
    if not clear.any():
        return 0.0
    position = np.stack([this.x, this.y], axis=-1)[frames][clear]
    offset = (position - path[frames][: len(clear)][clear]).mean(0)
    return float(np.hypot(*offset) <= _NEAR)


def _count_share(prompted: int, objects: tuple[TrackedObject, ...], n_frames: int) -> float:
    there = np.zeros(n_frames, np.int64)
    for this in objects:
        there += this.sight != Sight.ABSENT
    return float((there == prompted).mean())


def _pillar_share(prompted: bool, tracks: TrackedVideo) -> float:
    return float(((tracks.frame_pillar_x >= 0) == prompted).mean())


_NEEDS: Final = frozenset[Need]({"frames", "tracks", "caption"})

SEMANTIC_SCORERS: Final = (
    WeightFreeScorer("object_class", TRACKER, _NEEDS, object_class),
    WeightFreeScorer("color", TRACKER, _NEEDS, color),
    WeightFreeScorer("multiple_objects", TRACKER, _NEEDS, multiple_objects),
    WeightFreeScorer("overall_consistency", TRACKER, _NEEDS, overall_consistency),
)
