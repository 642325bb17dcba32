"""Scores a video set: a queue by (video hash, scorer id), resumable, shared by processes or machines.

One broken video costs one line, one broken dimension costs that dimension, one crash costs one retry.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

from probekit.choices import Backend, ClipRule
from probekit.errors import UserError
from probekit.evaluation.clips import WHOLE, clip_spans, scorer_id_under
from probekit.evaluation.scorer import NotRun
from probekit.evaluation.scoring.backends import scorers_for
from probekit.evaluation.scoring.queue import Outcome, score_here, score_in_workers
from probekit.evaluation.scoring.time_limit import SECONDS_PER_SCORE
from probekit.evaluation.scoring.video import Part, ScorerSource, ScoringFailure, ScoringTask
from probekit.evaluation.vbench.fast.settings import FastSettings
from probekit.progress import track
from probekit.run_folder.claim import claim_folder
from probekit.run_folder.protocol_card import read_protocol, write_protocol
from probekit.run_folder.score_store import ScoreStore, Version, Versions, score_key
from probekit.run_folder.shard import Shard
from probekit.run_folder.video_set import Problem, VideoRow, VideoSet
from probekit.suites.registry import planned_dimensions

VIDEOS_PER_FILE = 25


class ScoringSummary(NamedTuple):
    """What a run of the scorers did.

    Attributes:
        n_scored: videos of this shard that have all their scores now, new ones and those of earlier runs.
        failures: videos, and dimensions of videos, that could not be scored, and why; they have no rows.
        not_run: dimensions that this toolkit cannot score.
    """

    n_scored: int
    failures: tuple[Problem, ...]
    not_run: tuple[NotRun, ...]


def score_video_set(
    video_set: VideoSet,
    out: Path,
    shard: Shard | None = None,
    *,
    backend: Backend = "free",
    workers: int | None = None,
    clips: ClipRule = WHOLE,
    settings: FastSettings | None = None,
    scorers: ScorerSource | None = None,
    videos_per_file: int = VIDEOS_PER_FILE,
    seconds: float | None = SECONDS_PER_SCORE,
) -> ScoringSummary:
    """Score the videos of a set that have no scores yet, or older ones, in the score folder `out`.

    A row is safe as soon as it is computed (see `ScoreStore`), so a kill loses the dimensions being scored at most. The
    merged table does not depend on how the work was shared or interrupted. Rows of a video that was made again, of
    another version of a scorer or of another clip rule are replaced; rows of other dimensions, and of videos that left
    the set, are left alone. Where nothing is missing, no video is read and no scorer loads anything.

    Args:
        video_set: what to score; a video is scored in its planned dimensions.
        out: score folder, often the folder of the set itself.
        shard: this worker's share; None scores all.
        backend: which implementation scores VBench's dimensions, see `scorers_for`.
        workers: processes that share the videos and survive a crash; None scores in this process.
        clips: what of a video is scored together.
        settings: settings of the fast backend.
        scorers: makes other scorers than the suite's own; each process calls it once.
        videos_per_file: videos of each Parquet file.
        seconds: time that one score of one video may take before it is given up and reported; None is for ever.

    Raises:
        UserError: if `out` belongs to another set, is being scored by another process, or cannot be written.
    """
    source = scorers or partial(scorers_for, video_set.protocol.prompts.suite, backend, settings)
    suite = source()
    ids = {dimension: scorer_id_under(scorer_id, clips) for dimension, scorer_id in suite.ids().items()}
    planned, failures = _planned(video_set, ids, clips)
    rows = video_set.rows if shard is None else video_set.rows[shard.index :: shard.count]
    with ScoreStore(out, shard) as store:
        _describe(video_set, ids, clips, out)
        done = store.finished({key: version for versions in planned.values() for key, version in versions.items()})
        tasks = [
            ScoringTask(video_set.root, row, clips, parts)
            for row in rows
            if (parts := tuple(Part(key.clip, key.dimension) for key in planned.get(row, ()) if key not in done))
        ]
        if workers is None:
            outcomes = score_here(tasks, source, seconds)
        else:
            outcomes = score_in_workers(tasks, source, workers, seconds)
        with closing(outcomes):  # an error here ends the workers at once
            _collect(outcomes, store, len(tasks), failures, videos_per_file)
    failed = [row for row in rows if row in failures]
    problems = [problem for row in failed for problem in _problems(video_set.root / row.path, failures[row], clips)]
    return ScoringSummary(len(rows) - len(failed), tuple(problems), suite.not_run)


_Failures = dict[VideoRow, list[ScoringFailure]]


def _describe(video_set: VideoSet, ids: Mapping[str, str], clips: ClipRule, out: Path) -> None:
    claim_folder(out, video_set.protocol)
    card = read_protocol(out)
    described = card.model_copy(update={"scorers": {**card.scorers, **ids}, "clip_rule": clips})
    if described != card:
        write_protocol(out, described)


def _planned(
    video_set: VideoSet, ids: Mapping[str, str], clips: ClipRule
) -> tuple[dict[VideoRow, Versions], _Failures]:
    """For each video, what its scores must have been computed from; and videos that have no place in the suite."""
    planned: dict[VideoRow, Versions] = {}
    failures: _Failures = {}
    for row in video_set.rows:
        try:
            planned[row] = _versions(row, ids, clips)
        except UserError as error:
            failures[row] = [ScoringFailure(None, error.problem)]
    return planned, failures


def _versions(row: VideoRow, ids: Mapping[str, str], clips: ClipRule) -> Versions:
    wanted = planned_dimensions(row.suite, row.prompt_id)
    if row.clip and clips != WHOLE:
        raise UserError(f"{row.path} is a clip of a longer video already.", "Score it whole.")
    numbers = range(row.clip, row.clip + len(clip_spans(row.n_frames, row.fps, clips)))
    return {
        score_key(row, dimension, number): Version(row.sha256, scorer_id)
        for number in numbers
        for dimension, scorer_id in ids.items()
        if wanted is None or dimension in wanted
    }


def _collect(
    outcomes: Iterator[Outcome], store: ScoreStore, n_tasks: int, failures: _Failures, videos_per_file: int
) -> None:
    """Store rows as they come, list failures by video."""
    try:
        for number, _ in enumerate(track(_ended(outcomes, store, failures), "scoring videos", n_tasks), start=1):
            if number % videos_per_file == 0:
                store.flush()
    finally:  # also when interrupted: what was scored is kept
        store.flush()


def _ended(outcomes: Iterator[Outcome], store: ScoreStore, failures: _Failures) -> Iterator[ScoringTask]:
    for task, row, failure in outcomes:
        if row is not None:
            store.add(row)
        elif failure is not None:
            failures.setdefault(task.row, []).append(failure)
        else:
            yield task


def _problems(path: Path, failures: list[ScoringFailure], clips: ClipRule) -> Iterator[Problem]:
    """One line for each reason, with the scores that it took."""
    reasons: dict[str, list[str]] = {}
    for part, problem in failures:
        reasons.setdefault(problem, []).extend([_name(part, clips)] if part else [])
    for problem, parts in reasons.items():
        yield Problem(path, f"{', '.join(parts)}: {problem}" if parts else problem)


def _name(part: Part, clips: ClipRule) -> str:
    return part.dimension if clips == WHOLE else f"{part.dimension} of clip {part.clip}"
