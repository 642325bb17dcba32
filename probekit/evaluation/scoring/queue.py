"""Works through scoring tasks, in this process or in several that may die."""

import logging
from collections import defaultdict
from collections.abc import Generator, Sequence
from functools import partial
from typing import NamedTuple

from probekit.evaluation.scoring.video import Part, ScorerSource, ScoringFailure, ScoringTask, VideoScorer
from probekit.evaluation.scoring.worker_pool import Died, Finished, Message, WorkerPool
from probekit.run_folder.score_table import ScoreRow
from probekit.run_folder.video_set import VideoRow

_log = logging.getLogger("probekit")


class Outcome(NamedTuple):
    """One step of the work on a task: a row, a failure, or, with neither, the end of the task."""

    task: ScoringTask
    row: ScoreRow | None = None
    failure: ScoringFailure | None = None


def score_here(tasks: Sequence[ScoringTask], source: ScorerSource) -> Generator[Outcome, None, None]:
    """Work through the tasks in this process; without tasks no scorer is made."""
    score: VideoScorer | None = None
    for task in tasks:
        score = score or VideoScorer(source)
        for content in score(task):
            yield _outcome(task, content)
        yield Outcome(task)


def score_in_workers(
    tasks: Sequence[ScoringTask], source: ScorerSource, workers: int
) -> Generator[Outcome, None, None]:
    """The same from processes that take one video at a time.

    A video whose process dies is tried once more by a new process, in the dimensions that it lacks by then. If that
    dies too, the video is a failure and the others go on.
    """
    answered: defaultdict[VideoRow, set[Part | None]] = defaultdict(set)
    retried: set[VideoRow] = set()
    with WorkerPool[ScoringTask, ScoreRow | ScoringFailure](partial(VideoScorer, source), workers) as pool:
        for task in tasks:
            pool.submit(task)
        for event in pool.events():
            task = event.task
            if isinstance(event, Message):
                answered[task.row].add(_part(event.content))
                yield _outcome(task, event.content)
            elif isinstance(event, Finished) or not (rest := _rest(event, answered[task.row])).parts:
                yield Outcome(task)
            elif task.row in retried:
                problem = f"its process died twice, at last before {rest.parts[0].dimension} was scored: {event.how}"
                yield Outcome(task, failure=ScoringFailure(None, problem))
                yield Outcome(task)
            else:
                retried.add(task.row)
                _log.warning("%s: the process that scored it died (%s); trying once more", task.path, event.how)
                pool.retry(rest)


def _rest(death: Died[ScoringTask], answered: set[Part | None]) -> ScoringTask:
    """What a dead process left undone."""
    rest = () if None in answered else tuple(part for part in death.task.parts if part not in answered)
    return death.task._replace(parts=rest)


def _part(content: ScoreRow | ScoringFailure) -> Part | None:
    return content.part if isinstance(content, ScoringFailure) else Part(content.clip, content.dimension)


def _outcome(task: ScoringTask, content: ScoreRow | ScoringFailure) -> Outcome:
    return Outcome(task, row=content) if isinstance(content, ScoreRow) else Outcome(task, failure=content)
