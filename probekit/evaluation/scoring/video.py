"""One video in the dimensions that it still lacks; a dimension that fails does not take the others with it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Final, NamedTuple

from probekit.choices import ClipRule
from probekit.errors import UserError
from probekit.evaluation.clips import WHOLE, Span, clip_spans, scorer_id_under
from probekit.evaluation.scorer import Scorer, ScorerSet, ScoringInput, frames_to_decode
from probekit.evaluation.scoring.time_limit import TimeIsUp, time_limit
from probekit.media.seeking import read_frames_at
from probekit.media.video_files import VideoClip, read_video
from probekit.provenance import sha256_file
from probekit.run_folder.score_store import score_key
from probekit.run_folder.score_table import ScoreRow, check_rows
from probekit.run_folder.video_set import VideoRow

SCORER_ERRORS: Final = (UserError, ArithmeticError, LookupError, MemoryError, OSError, RuntimeError, ValueError)
"""What libraries raise about one input. Other errors are defects of the program and end the process."""

ScorerSource = Callable[[], ScorerSet]
"""Makes the scorers; called once in each process, so it must be picklable and cheap: weights load on first use."""


class Part(NamedTuple):
    """One score of a video.

    Attributes:
        clip: clip number as in the score table.
        dimension: dimension as in the score table.
    """

    clip: int
    dimension: str


class ScoringTask(NamedTuple):
    """What one video still lacks.

    Attributes:
        root: folder of its set.
        row: the video.
        rule: how it is cut into clips.
        parts: the scores, clip by clip.
    """

    root: Path
    row: VideoRow
    rule: ClipRule
    parts: tuple[Part, ...]

    @property
    def path(self) -> Path:
        """Where the video lies."""
        return self.root / self.row.path


class ScoringFailure(NamedTuple):
    """Why a video has not one of its scores, or none at all (no part)."""

    part: Part | None
    problem: str


class VideoScorer:
    """Works on `ScoringTask`s.

    Args:
        source: function that makes the scorers.
        seconds: time that one score, or the reading of a video, may take; None is for ever.
    """

    def __init__(self, source: ScorerSource, seconds: float | None = None) -> None:
        self._scorers = {scorer.dimension: scorer for scorer in source().scorers}
        self._seconds = seconds

    def __call__(self, task: ScoringTask) -> Iterator[ScoreRow | ScoringFailure]:
        """Rows and failures of one video, each as soon as it is known.

        A file that cannot be decoded or is not what its manifest says is one failure; a dimension that cannot be scored
        is one, with the error as its reason, as is one that takes too long.
        """
        try:
            with time_limit(self._seconds):
                video = _open(task, self._numbers(task))
        except UserError as error:
            yield ScoringFailure(None, error.problem)
            return
        except TimeIsUp:
            yield ScoringFailure(None, f"it could not be read within {self._seconds:g} s")
            return
        spans = clip_spans(task.row.n_frames, task.row.fps, task.rule)
        for clip, parts in groupby(task.parts, key=attrgetter("clip")):
            cut = _cut(video, spans[clip - task.row.clip])
            for part in parts:
                yield self._score(task, part, cut)

    def _numbers(self, task: ScoringTask) -> tuple[int, ...] | None:
        """Numbers of the frames that are enough for all that is asked; None means all."""
        if task.rule != WHOLE:
            return None
        asked = dict.fromkeys(part.dimension for part in task.parts)
        return frames_to_decode([self._scorers[dimension] for dimension in asked], task.row.n_frames)

    def _score(self, task: ScoringTask, part: Part, video: ScoringInput) -> ScoreRow | ScoringFailure:
        try:
            with time_limit(self._seconds):
                row = _score_row(task, part, self._scorers[part.dimension], video)
            check_rows([row], task.path)
        except UserError as error:
            return ScoringFailure(part, error.problem)
        except TimeIsUp:
            return ScoringFailure(part, f"no score within {self._seconds:g} s; it was given up")
        except SCORER_ERRORS as error:
            return ScoringFailure(part, f"{type(error).__name__}: {' '.join(str(error).split())}")
        return row


def _open(task: ScoringTask, numbers: tuple[int, ...] | None) -> ScoringInput:
    path, row = task.path, task.row
    asked = frozenset(part.dimension for part in task.parts)
    if numbers is None:
        clip = read_video(path, expect_frames=row.n_frames)
    else:
        clip = VideoClip(read_frames_at(path, numbers, row.n_frames), row.fps)
    if sha256_file(path) != row.sha256:
        raise UserError(f"{path} changed after its manifest was written.", "Generate or copy the set again.")
    return ScoringInput(clip.frames, clip.fps, row.prompt, row.prompt_id, path, asked, numbers, row.n_frames)


def _cut(video: ScoringInput, span: Span) -> ScoringInput:
    """The clip's own input; only that of a whole video has a file of its own."""
    if span == (0, video.length):
        return video
    return replace(video, frames=video.frames[span.start : span.stop], path=None, n_frames=None)


def _score_row(task: ScoringTask, part: Part, scorer: Scorer, video: ScoringInput) -> ScoreRow:
    score = scorer.score(video)
    low, high = scorer.range
    return ScoreRow(
        **score_key(task.row, part.dimension, part.clip)._asdict(),
        **score._asdict(),
        unit=scorer.unit,
        range_low=low,
        range_high=high,
        scorer_id=scorer_id_under(scorer.scorer_id, task.rule),
        video_sha256=task.row.sha256,
    )
