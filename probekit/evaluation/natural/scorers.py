"""The dimensions of the natural suite. Higher is better in all of them but `motion`, which has no better end."""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from probekit.evaluation.long_horizon.frame_statistics import block_means
from probekit.evaluation.natural import formulas, readers
from probekit.evaluation.natural.brisque import score as brisque_score
from probekit.evaluation.natural.frames import every
from probekit.evaluation.natural.support_vectors import SupportVectorRegression, read_regression
from probekit.evaluation.natural.weight_files import (
    BRISQUE_MODEL,
    BRISQUE_RANGES,
    EFFICIENTNET,
    SETUP,
    ST_LPIPS_ALEX,
    TRANSNET,
    XFEAT,
    PackagedFile,
)
from probekit.evaluation.scorer import Need, NotRun, Score, Scorer, ScorerSet, ScoringInput, WeightFreeScorer
from probekit.evaluation.vbench.temporal_flickering import TEMPORAL_FLICKERING

CONSISTENCY_SECONDS: Final = 0.25
QUALITY_SECONDS: Final = 1.0
_FRAMES: Final[frozenset[Need]] = frozenset({"frames"})


@dataclass(frozen=True)
class NetworkScorer:
    """A dimension that reads packaged weights: `Scorer` around a function from a video to a score.

    Attributes:
        dimension: name as in the score table.
        files: weight files that it reads.
        preprocessing: what is read at what size, and the version; a change makes old scores incomparable.
        formula: the function.
        range: lowest and highest raw score.
        unit: unit of the raw score.
    """

    dimension: str
    files: tuple[PackagedFile, ...]
    preprocessing: str
    formula: Callable[[ScoringInput], Score]
    range: tuple[float, float] = (0.0, 1.0)
    unit: str = "fraction"
    needs: frozenset[Need] = _FRAMES

    @property
    def scorer_id(self) -> str:
        """Name, weights with their hashes, preprocessing, and that it is not VBench's."""
        weights = "-".join(file.identity() for file in self.files)
        return f"{self.dimension}+{weights}+{self.preprocessing}+not-vbench"

    def score(self, video: ScoringInput) -> Score:
        """Apply the formula. Raises UserError where a weight file is gone or is another one."""
        return self.formula(video)


def _frame_consistency(video: ScoringInput) -> Score:
    return formulas.consistency(readers.image_features(video.frames[:: every(CONSISTENCY_SECONDS, video.fps)]))


def _first_frame_stability(video: ScoringInput) -> Score:
    frames = video.frames[:: every(readers.DRIFT_SECONDS, video.fps)]
    if len(frames) < 2:
        return Score(None, reason=f"shorter than {readers.DRIFT_SECONDS:g} s")
    return Score(1.0 - float(readers.first_frame_distances(frames).mean()))


def _shot_continuity(video: ScoringInput) -> Score:
    return formulas.continuity(readers.shot_ends(video.frames))


_last_matches: list[tuple[ScoringInput, readers.Matches]] = []


def _matches(video: ScoringInput) -> readers.Matches:
    """Matches of a video, which two dimensions read one after the other."""
    if not (_last_matches and _last_matches[0][0] is video):
        _last_matches[:] = [(video, readers.matches(video))]
    return _last_matches[0][1]


def _match_share(video: ScoringInput) -> Score:
    found = _matches(video)
    return formulas.match_share(found.matched, found.asked)


def _motion(video: ScoringInput) -> Score:
    found = _matches(video)
    return formulas.motion(found.distances, found.seconds)


@functools.cache
def brisque_model() -> SupportVectorRegression:
    """BRISQUE's published regression. Raises UserError where its files are not here."""
    return read_regression(BRISQUE_MODEL.path(), BRISQUE_RANGES.path())


def _image_quality(video: ScoringInput) -> Score:
    frames = video.frames[:: every(QUALITY_SECONDS, video.fps)]
    return Score(1.0 - float(np.mean([brisque_score(frame, brisque_model()) for frame in frames])) / 100.0)


def _moving_share(video: ScoringInput) -> Score:
    blocks = np.stack([block_means(frame) for frame in video.frames])
    return formulas.moving_share(np.abs(np.diff(blocks, axis=0)).max(axis=(1, 2, 3)).astype(np.float64))


_ANY: Final = (-math.inf, math.inf)

NETWORK_SCORERS: Final = (
    NetworkScorer("frame_consistency", (EFFICIENTNET,), "quarter-seconds-224-v1", _frame_consistency),
    NetworkScorer("first_frame_stability", (ST_LPIPS_ALEX,), "half-seconds-128-v1", _first_frame_stability, _ANY),
    NetworkScorer("shot_continuity", (TRANSNET,), "all-frames-27x48-v1", _shot_continuity),
    NetworkScorer("match_share", (XFEAT,), "quarter-seconds-512-best500-v1", _match_share),
    NetworkScorer("motion", (XFEAT,), "quarter-seconds-512-best500-v1", _motion, (0.0, math.inf), "diagonals per s"),
    NetworkScorer("image_quality", (BRISQUE_MODEL, BRISQUE_RANGES), "seconds-full-size-v1", _image_quality, _ANY),
)
MOVING_SHARE: Final = WeightFreeScorer("moving_share", "blocks32-level1-v1", _FRAMES, _moving_share)


def natural_scorers() -> ScorerSet:
    """The dimensions whose weights are here, and the others with the command that brings them."""
    runs: list[Scorer] = []
    absent: list[NotRun] = []
    for scorer in NETWORK_SCORERS:
        if all(file.found() for file in scorer.files):
            runs.append(scorer)
        else:
            absent.append(NotRun(scorer.dimension, f"needs weights; `{SETUP}` brings them"))
    return ScorerSet((*runs, TEMPORAL_FLICKERING, MOVING_SHARE), tuple(absent))
