"""Quality dimensions of the sprite world: what a video must be like whatever its prompt.

VBench's names and forms, with the tracker's reading in the place of network features. Frames in which a sprite is
hidden, or too little of it is in view to judge it, count nowhere.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from probekit.evaluation.scorer import Score, ScoringInput, WeightFreeScorer, ratio_score
from probekit.evaluation.sprite.identity import agreement, agreements, agreements_with, identity_over
from probekit.evaluation.sprite.permanence import OCCLUSION_FRAMES, looks_around
from probekit.sprite_world.tracker import Bool, Float
from probekit.sprite_world.tracker_objects import Sight, TrackedObject, gaps
from probekit.sprite_world.vocabulary import FRAME_SIZE

TRACKER: Final = "sprite-tracker.3"

_REFERENCE_FRAMES: Final = 4
_COLOR_TOLERANCE: Final = 32.0
_SPRITE_MARGIN: Final = 3.0
_SMOOTHING: Final = 4
_SMOOTH_DEVIATION: Final = 1.0
_SAMPLED_FPS: Final = 8.0
_MOVING: Final = 0.25
_OVERDUE_FRAMES: Final = 60


def subject_consistency(video: ScoringInput) -> Score:
    """Identity over time, in VBench's form with two references.

    For each object, over its clear and absent frames i after the first: s_i = [a(i, previous) + a(i, first)] / 2 where
    it is clear and 0 where it is absent. a is the share of colour, shape, size and tone in common, "previous" the clear
    frame before and "first" the most frequent identity of the first four clear frames. Value: mean over frames, then
    over objects. Pixels that look like no sprite have nothing but a colour. Null if no sprite is clear in two frames.
    """
    scores = [_identity_over_time(this) for this in video.objects]
    judged = [score for score in scores if score is not None]
    return ratio_score(sum(judged), len(judged), "no sprite can be followed")


def _identity_over_time(this: TrackedObject) -> float | None:
    clear = np.flatnonzero(this.sight == Sight.CLEAR)
    absent = int((this.sight == Sight.ABSENT).sum())
    if len(clear) < 2:
        return None
    first = identity_over(this, clear[:_REFERENCE_FRAMES])
    pairs = (agreements(this, clear[1:], clear[:-1]) + agreements_with(this, clear[1:], first)) / 2
    return float(pairs.sum() / (len(pairs) + absent))


def background_consistency(video: ScoringInput) -> Score:
    """Sameness of the pixels outside the sprites, in VBench's form with two references.

    For frames i >= 1: s_i = [b(i, i-1) + b(i, 0)] / 2, with b the mean over the pixels that no sprite is near in either
    frame of max(0, 1 - |difference| / 32), the difference averaged over R, G and B (0..255). Value: mean over i. 32 is
    about the distance between two of the world's backgrounds. Near: within the fitted radius + 3 px of its centre along
    both axes. Null if there are no such pixels.
    """
    frames, free = video.frames.astype(np.float32), ~_near_sprites(video.objects, len(video.frames))
    to_previous = _similarity(frames[1:], frames[:-1], free[1:] & free[:-1])
    to_first = _similarity(frames[1:], frames[:1], free[1:] & free[:1])
    similar = (to_previous + to_first) / 2
    similar = similar[np.isfinite(similar)]
    return Score(float(similar.mean())) if len(similar) else Score(None, reason="no background pixel in two frames")


def _near_sprites(objects: tuple[TrackedObject, ...], n_frames: int) -> Bool:
    pixel = np.arange(FRAME_SIZE) + 0.5
    near = np.zeros((n_frames, FRAME_SIZE, FRAME_SIZE), bool)
    for this in objects:
        reach = (this.radius + _SPRITE_MARGIN)[:, None]
        columns, rows = (np.abs(pixel - centre[:, None]) <= reach for centre in (this.x, this.y))
        near |= rows[:, :, None] & columns[:, None, :]
    return near


def _similarity(a: Float, b: Float, where: Bool) -> NDArray[np.float64]:
    difference = np.abs(a - b).mean(-1)
    similar = np.maximum(0.0, 1.0 - difference / _COLOR_TOLERANCE)
    count = where.sum((1, 2))
    return np.where(count > 0, (similar * where).sum((1, 2)) / np.maximum(count, 1), np.nan)


def motion_smoothness(video: ScoringInput) -> Score:
    """Closeness of the tracked motion to constant velocity.

    Positions p are averaged over four frames (the codec's time stride), and as VBench interpolates a frame from its
    neighbours, d(t) = |p(t) - [p(t-4) + p(t+4)] / 2| in pixels, wherever the 12 frames involved are all clear. Value:
    mean of 1 / (1 + d²) over frames and objects. Constant velocity gives 1, erratic jumps approach 0; a turn or bounce
    costs a little in the 11 frames around it, so that true videos have 0.95. Null if no sprite is clear for 12 frames.
    """
    deviations = np.concatenate([np.empty(0), *(_deviations(this) for this in video.objects)])
    smooth = 1 / (1 + (deviations / _SMOOTH_DEVIATION) ** 2)
    return ratio_score(float(smooth.sum()), len(smooth), f"no sprite is clearly in view for {3 * _SMOOTHING} frames")


def _deviations(this: TrackedObject) -> NDArray[np.float64]:
    clear = this.sight == Sight.CLEAR
    if len(clear) < 3 * _SMOOTHING:
        return np.empty(0)
    windows = np.lib.stride_tricks.sliding_window_view
    position = np.where(clear, np.stack([this.x, this.y]).astype(np.float64), np.nan)
    smooth = windows(position, _SMOOTHING, axis=1).mean(-1)
    middle, ends = smooth[:, _SMOOTHING:-_SMOOTHING], smooth[:, 2 * _SMOOTHING :] + smooth[:, : -2 * _SMOOTHING]
    deviation = np.hypot(*(middle - ends / 2))
    return np.asarray(deviation[np.isfinite(deviation)])


def dynamic_degree(video: ScoringInput) -> Score:
    """Whether something moves: VBench's rule for optical flow, on tracked positions. 0 or 1.

    Frames are sampled at 8 per second. A pair of neighbours moves if some sprite, clear in both, is displaced by more
    than 0.25 px, half the slowest speed of the world. 1 if at least a quarter of the pairs with a clear sprite move. A
    video in which no sprite can be followed does not move: 0.
    """
    step = max(1, round(video.fps / _SAMPLED_FPS))
    displacement = [_displacement(this, step) for this in video.objects]
    if not displacement:
        return Score(0.0)
    followed = np.isfinite(displacement).any(0)
    moves = (np.array(displacement) > _MOVING).any(0)
    return Score(float(followed.any() and moves.sum() >= 0.25 * followed.sum()))


def _displacement(this: TrackedObject, step: int) -> NDArray[np.float64]:
    position = np.where(this.sight == Sight.CLEAR, np.stack([this.x, this.y]), np.nan)[:, ::step]
    return np.asarray(np.hypot(*np.diff(position, axis=1)), np.float64)


def object_permanence(video: ScoringInput) -> Score:
    """Sameness of sprites before and after they were out of view: the share of identity that comes back.

    An occlusion is a run of two frames or more in which an object is out of view. Its score is the share of colour,
    shape, size and tone in common between the most frequent identity of the last 16 clear frames before and of the
    first 16 after it. No caption states the tone: it is remembered or lost. A sprite that does not come back counts 0
    once it was hidden for 60 frames: in true videos of 81 frames fewer than 3 of 200 occlusions are that long. Before
    that nothing can be said, and one that vanished in the open for good is the affair of `subject_consistency`. Value:
    mean over occlusions; null ("no occlusion") without any.
    """
    scores = [score for this in video.objects for gap in gaps(this.visible) for score in _permanence(this, gap)]
    return ratio_score(sum(scores), len(scores), "no occlusion")


def _permanence(this: TrackedObject, gap: slice) -> list[float]:
    """The score of one occlusion as a list, empty where nothing can be said."""
    length = gap.stop - gap.start
    if length < OCCLUSION_FRAMES or not (this.sight[: gap.start] == Sight.CLEAR).any():
        return []
    looks = looks_around(this, gap)
    if looks is not None:
        return [agreement(*looks)]
    overdue = length >= _OVERDUE_FRAMES and this.sight[gap.start] == Sight.HIDDEN
    return [0.0] if overdue else []


QUALITY_SCORERS: Final = (
    WeightFreeScorer("subject_consistency", TRACKER, frozenset({"frames", "tracks"}), subject_consistency),
    WeightFreeScorer("background_consistency", TRACKER, frozenset({"frames", "tracks"}), background_consistency),
    WeightFreeScorer("motion_smoothness", TRACKER, frozenset({"frames", "tracks"}), motion_smoothness),
    WeightFreeScorer("dynamic_degree", TRACKER, frozenset({"frames", "tracks"}), dynamic_degree),
    WeightFreeScorer("object_permanence", TRACKER, frozenset({"frames", "tracks"}), object_permanence),
)
