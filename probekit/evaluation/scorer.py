"""What a scorer is: one dimension, from a decoded video to one raw score."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from probekit.sprite_world.captions import CaptionFacts, parse_caption
from probekit.sprite_world.tracker import TrackedVideo, track_video
from probekit.sprite_world.tracker_objects import TrackedObject, tracked_objects

Need = Literal["frames", "caption", "tracks"]


@dataclass(frozen=True)
class ScoringInput:
    """One video. What is derived from it is computed once, on first use, for all dimensions together.

    Attributes:
        frames: (T, H, W, 3) uint8 RGB.
        fps: frames per second.
        prompt: what the video was asked to show.
        prompt_id: identifier of the prompt in its suite; None where the video belongs to none.
        path: the file that `frames` were decoded from, for scorers that read files themselves; None without one.
        dimensions: those that are asked of this video, for scorers that share work; None means any.
        indices: indices of `frames` in their video, where only some were decoded; None means all were.
        n_frames: frames of the whole video, with `indices`.
    """

    frames: NDArray[np.uint8]
    fps: float
    prompt: str
    prompt_id: str | None = None
    path: Path | None = None
    dimensions: frozenset[str] | None = None
    indices: tuple[int, ...] | None = None
    n_frames: int | None = None

    @property
    def length(self) -> int:
        """Frames of the video, decoded or not."""
        return len(self.frames) if self.n_frames is None else self.n_frames

    def frames_at(self, indices: Sequence[int]) -> NDArray[np.uint8]:
        """Frames (len(indices), H, W, 3) by their indices in the video, which must have been decoded."""
        places = indices if self.indices is None else [self.indices.index(index) for index in indices]
        return self.frames[list(places)]

    @cached_property
    def tracks(self) -> TrackedVideo:
        """The tracker's reading. Raises UserError where the frames are not the sprite world's size."""
        return track_video(self.frames)

    @cached_property
    def objects(self) -> tuple[TrackedObject, ...]:
        """The sprites that the tracker saw."""
        return tracked_objects(self.tracks)

    @cached_property
    def facts(self) -> CaptionFacts:
        """What the prompt states. Raises UserError where it is not a sentence of the sprite world."""
        return parse_caption(self.prompt)


class Score(NamedTuple):
    """A raw score; `value` is None, with a `reason`, where the video says nothing about the dimension.

    Attributes:
        value: value in the scorer's range.
        numerator: numerator of dimensions that are shares of frames or events.
        denominator: see `numerator`.
        reason: why `value` is None.
    """

    value: float | None
    numerator: float | None = None
    denominator: float | None = None
    reason: str | None = None


def ratio_score(numerator: float, denominator: float, reason: str) -> Score:
    """Ratio of two counts; null with `reason` where the denominator is 0."""
    if denominator == 0:
        return Score(None, reason=reason)
    return Score(float(numerator / denominator), float(numerator), float(denominator))


class Scorer(Protocol):
    """Scores one dimension."""

    @property
    def dimension(self) -> str:
        """Name as in the score table."""
        ...

    @property
    def scorer_id(self) -> str:
        """Name, weights hash or "noweights", and version of the preprocessing."""
        ...

    @property
    def unit(self) -> str:
        """Unit of the raw score."""
        ...

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest raw score."""
        ...

    @property
    def needs(self) -> frozenset[Need]:
        """What it reads."""
        ...

    def score(self, video: ScoringInput) -> Score:
        """Score a video.

        Raises:
            UserError: if the video or its prompt is not what the dimension is made for.
        """
        ...


@runtime_checkable
class SparseScorer(Protocol):
    """A scorer for which some frames of a video are enough."""

    def frame_numbers(self, n_frames: int) -> Sequence[int] | None:
        """Numbers of the frames that it reads of a video of `n_frames`; None means all."""
        ...


def frames_to_decode(scorers: Iterable[Scorer], n_frames: int) -> tuple[int, ...] | None:
    """Numbers of the frames that scorers read together; None where one of them reads all."""
    wanted: set[int] = set()
    for scorer in scorers:
        numbers = scorer.frame_numbers(n_frames) if isinstance(scorer, SparseScorer) else None
        if numbers is None:
            return None
        wanted.update(numbers)
    return tuple(sorted(wanted))


@dataclass(frozen=True)
class WeightFreeScorer:
    """A dimension that is a formula: `Scorer` around a function from a video to a fraction.

    Attributes:
        dimension: name as in the score table.
        preprocessing: what the formula reads and its version; a change of either makes old scores incomparable.
        needs: what it reads.
        formula: the function; its docstring states the formula.
    """

    dimension: str
    preprocessing: str
    needs: frozenset[Need]
    formula: Callable[[ScoringInput], Score]
    unit: str = "fraction"
    range: tuple[float, float] = (0.0, 1.0)

    @property
    def scorer_id(self) -> str:
        """Name, "noweights" and preprocessing."""
        return f"{self.dimension}+noweights+{self.preprocessing}"

    def score(self, video: ScoringInput) -> Score:
        """Apply the formula. Raises UserError as `Scorer.score`."""
        return self.formula(video)


class NotRun(NamedTuple):
    """A dimension of a suite that cannot be scored here, and why."""

    dimension: str
    reason: str


class ScorerSet(NamedTuple):
    """The dimensions of a suite: those that run and those that do not."""

    scorers: tuple[Scorer, ...]
    not_run: tuple[NotRun, ...]

    def ids(self) -> Mapping[str, str]:
        """Scorer id of each dimension that runs."""
        return {scorer.dimension: scorer.scorer_id for scorer in self.scorers}
