"""Scores a video set: a queue by (video hash, scorer id), resumable, shared by processes or machines.

One broken video costs one line, one broken dimension costs that dimension, one crash costs one retry.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from probekit.errors import UserError
from probekit.evaluation.generation_runner import claim_folder
from probekit.evaluation.manifest import Shard
from probekit.evaluation.protocol_card import read_protocol, write_protocol
from probekit.evaluation.score_store import ScoreStore, Version, Versions, score_key
from probekit.evaluation.score_table import ScoreRow
from probekit.evaluation.scorers import NotRun, Scorer, ScorerSet, scorers_for
from probekit.evaluation.suites import planned_dimensions
from probekit.evaluation.video_scoring import ScorerSource, ScoringFailure, ScoringTask, VideoScorer
from probekit.evaluation.video_set import Problem, VideoRow, VideoSet
from probekit.evaluation.worker_pool import Died, Finished, Message, WorkerPool
from probekit.progress import track

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


class _Outcome(NamedTuple):
    """One step of the work on a task: a row, a failure, or the task's end (neither)."""

    task: ScoringTask
    row: ScoreRow | None = None
    failure: ScoringFailure | None = None


def score_video_set(
    video_set: VideoSet,
    out: Path,
    shard: Shard | None = None,
    *,
    backend: str = "free",
    workers: int | None = None,
    scorers: ScorerSource | None = None,
    videos_per_file: int = VIDEOS_PER_FILE,
) -> ScoringSummary:
    """Score the videos of a set that have no scores yet, or older ones, in the score folder `out`.

    A row is safe as soon as it is computed (see `ScoreStore`), so a kill loses the dimensions in work at most. The
    merged table does not depend on how the work was shared or interrupted. Rows of a video that was made again, or of
    another version of a scorer, are replaced; rows of other dimensions, and of videos that left the set, are left
    alone. Where nothing is missing, no video is read and no scorer loads anything.

    Args:
        video_set: what to score; a video is scored in its planned dimensions.
        out: score folder, often the folder of the set itself.
        shard: this worker's share; None scores all.
        backend: which implementation scores VBench's dimensions, see `scorers_for`.
        workers: processes that share the videos and survive a crash; None scores in this process.
        scorers: makes other scorers than the suite's own; each process calls it once.
        videos_per_file: videos of each Parquet file.

    Raises:
        UserError: if `out` belongs to another set, holds damaged scores, or cannot be written.
    """
    source = scorers or partial(scorers_for, video_set.protocol.prompts.suite, backend)
    suite = source()
    _describe(video_set, suite, out)
    planned, failures = _planned(video_set, suite.scorers)
    store = ScoreStore(out, shard)
    done = store.finished({key: version for versions in planned.values() for key, version in versions.items()})
    rows = video_set.rows if shard is None else video_set.rows[shard.index :: shard.count]
    tasks = [task for row in rows if (task := _missing(video_set.root, row, planned.get(row, {}), done)).dimensions]
    outcomes = _in_this_process(tasks, source) if workers is None else _in_workers(tasks, source, workers)
    _collect(outcomes, store, len(tasks), failures, videos_per_file)
    failed = {row for row in rows if row in failures}
    problems = [problem for row in rows for problem in _problems(video_set.root / row.path, failures.get(row, ()))]
    return ScoringSummary(len(rows) - len(failed), tuple(problems), suite.not_run)


_Failures = dict[VideoRow, list[ScoringFailure]]


def _describe(video_set: VideoSet, suite: ScorerSet, out: Path) -> None:
    claim_folder(out, video_set.protocol)
    card = read_protocol(out)
    described = card.model_copy(update={"scorers": {**card.scorers, **suite.ids()}})
    if described != card:
        write_protocol(out, described)


def _planned(video_set: VideoSet, scorers: tuple[Scorer, ...]) -> tuple[dict[VideoRow, Versions], _Failures]:
    """For each video, what its scores must have been computed from; and videos of prompts that the suite lacks."""
    planned: dict[VideoRow, Versions] = {}
    failures: _Failures = {}
    ids = [(scorer.dimension, scorer.scorer_id) for scorer in scorers]  # an id may cost the hash of a weight file
    for row in video_set.rows:
        try:
            wanted = planned_dimensions(row.suite, row.prompt_id)
        except UserError as error:
            failures[row] = [ScoringFailure(None, error.problem)]
            continue
        planned[row] = {
            score_key(row, dimension): Version(row.sha256, scorer_id)
            for dimension, scorer_id in ids
            if wanted is None or dimension in wanted
        }
    return planned, failures


def _missing(root: Path, row: VideoRow, planned: Versions, done: set[object]) -> ScoringTask:
    return ScoringTask(root, row, tuple(key.dimension for key in planned if key not in done))


def _in_this_process(tasks: list[ScoringTask], source: ScorerSource) -> Iterator[_Outcome]:
    score = VideoScorer(source) if tasks else None
    for task in tasks:
        assert score is not None
        for content in score(task):
            yield _outcome(task, content)
        yield _Outcome(task)


def _in_workers(tasks: list[ScoringTask], source: ScorerSource, workers: int) -> Iterator[_Outcome]:
    """The same from processes; a video whose process dies gets one more, without the dimensions that it has by then."""
    answered: dict[Path, list[str]] = {}
    retried: set[Path] = set()
    with WorkerPool[ScoringTask, ScoreRow | ScoringFailure](partial(VideoScorer, source), workers) as pool:
        for task in tasks:
            pool.submit(task)
        for event in pool.events():
            if isinstance(event, Message):
                answered.setdefault(event.task.path, []).append(event.content.dimension or "")
                yield _outcome(event.task, event.content)
            elif isinstance(event, Finished):
                yield _Outcome(event.task)
            else:
                rest = _rest(event, answered.get(event.task.path, []))
                if event.task.path in retried:
                    problem = f"the process that scored it was lost twice ({event.how}), in {rest.dimensions[0]}"
                    yield _Outcome(event.task, failure=ScoringFailure(None, problem))
                    yield _Outcome(event.task)
                else:
                    retried.add(event.task.path)
                    pool.retry(rest)


def _rest(death: Died[ScoringTask], answered: list[str]) -> ScoringTask:
    rest = tuple(dimension for dimension in death.task.dimensions if dimension not in answered)
    return death.task._replace(dimensions=rest or death.task.dimensions)


def _outcome(task: ScoringTask, content: ScoreRow | ScoringFailure) -> _Outcome:
    return _Outcome(task, row=content) if isinstance(content, ScoreRow) else _Outcome(task, failure=content)


def _collect(
    outcomes: Iterator[_Outcome], store: ScoreStore, n_tasks: int, failures: _Failures, videos_per_file: int
) -> None:
    """Store rows as they come, list failures by video."""
    try:
        for number, _ in enumerate(track(_ended(outcomes, store, failures), "scoring videos", n_tasks), start=1):
            if number % videos_per_file == 0:
                store.flush()
    finally:  # also when interrupted: what was scored is kept
        store.flush()


def _ended(outcomes: Iterator[_Outcome], store: ScoreStore, failures: _Failures) -> Iterator[ScoringTask]:
    for task, row, failure in outcomes:
        if row is not None:
            store.add(row)
        elif failure is not None:
            failures.setdefault(task.row, []).append(failure)
        else:
            yield task


def _problems(path: Path, failures: tuple[ScoringFailure, ...] | list[ScoringFailure]) -> Iterator[Problem]:
    """One line for each reason, with the dimensions that it took."""
    reasons: dict[str, list[str]] = {}
    for dimension, problem in failures:
        reasons.setdefault(problem, []).extend([dimension] if dimension else [])
    for problem, dimensions in reasons.items():
        yield Problem(path, f"{', '.join(dimensions)}: {problem}" if dimensions else problem)
