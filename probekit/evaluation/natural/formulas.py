"""From what networks say of frames to a score: pure functions."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from probekit.evaluation.scorer import Score, ratio_score

Floats = NDArray[np.float64]

CUT_PROBABILITY: Final = 0.5
"""A frame whose probability of being the last of its shot is above this ends a shot, as TransNetV2's authors use it."""
SIMILAR: Final = 0.82
"""Least cosine of two descriptors that match, as XFeat's authors use it."""
STILL_LEVELS: Final = 1.0
"""A frame moves where the mean of some block changes by more than this many grey levels."""

_ONE_FRAME: Final = "a single frame"


def consistency(features: Floats) -> Score:
    """Mean over frames from the second on of the mean of two cosines: with the first frame, with the one before.

    That is the formula of VBench's subject consistency (arXiv 2311.17982, appendix) with other features.

    Args:
        features: (T, D), one vector per frame, none of them zero.
    """
    if len(features) < 2:
        return Score(None, reason=_ONE_FRAME)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    with_first = unit[1:] @ unit[0]
    with_previous = (unit[1:] * unit[:-1]).sum(axis=1)
    return Score(float(np.clip((with_first + with_previous) / 2, -1.0, 1.0).mean()))


def last_frames_of_shots(probabilities: Floats) -> list[int]:
    """Indices of the frames that end a shot; of neighbouring ones the likeliest. The video's last frame is none.

    Args:
        probabilities: (T,) probability of each frame to be the last of its shot.
    """
    found: list[int] = []
    above = np.flatnonzero(probabilities[:-1] > CUT_PROBABILITY)
    for run in np.split(above, np.flatnonzero(np.diff(above) > 1) + 1):
        if len(run):
            found.append(int(run[probabilities[run].argmax()]))
    return found


def continuity(probabilities: Floats) -> Score:
    """Share of the transitions from frame to frame that are no cut."""
    transitions = len(probabilities) - 1
    return ratio_score(transitions - len(last_frames_of_shots(probabilities)), transitions, _ONE_FRAME)


def mutual_matches(a: Floats, b: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices into unit vectors (K, D) and (L, D) of pairs that are each other's nearest, and near enough."""
    cosines = a @ b.T
    nearest = cosines.argmax(axis=1)
    mutual = cosines.argmax(axis=0)[nearest] == np.arange(len(a))
    kept = np.flatnonzero(mutual & (cosines.max(axis=1) >= SIMILAR))
    return kept.astype(np.int64), nearest[kept].astype(np.int64)


def match_share(matched: Sequence[int], asked: Sequence[int]) -> Score:
    """Share of keypoints that were found again, over all pairs of frames together."""
    return ratio_score(sum(matched), sum(asked), _ONE_FRAME)


def motion(distances: Sequence[float], seconds: float) -> Score:
    """Mean over pairs of frames of the median distance of their matches, per second; pairs without match do not count.

    Args:
        distances: median distance of each pair in shares of the frame's diagonal.
        seconds: time between the frames of a pair.
    """
    if not distances:
        return Score(None, reason="no keypoint was found again")
    return Score(float(np.mean(distances) / seconds))


def moving_share(largest_changes: Floats) -> Score:
    """Share of the transitions in which something moves, see `STILL_LEVELS`.

    Args:
        largest_changes: (T-1,) largest change of a block mean, in grey levels.
    """
    return ratio_score(int((largest_changes > STILL_LEVELS).sum()), len(largest_changes), _ONE_FRAME)
