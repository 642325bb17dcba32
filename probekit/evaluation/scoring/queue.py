"""Works through scoring tasks, in this process or in several that may die."""

import logging
from collections import defaultdict
from collections.abc import Generator, Sequence
from functools import partial
from typing import NamedTuple

from probekit.evaluation.scoring.time_limit import SECONDS_OF_GRACE
from probekit.evaluation.scoring.video import Part, ScorerSource, ScoringFailure, ScoringTask, VideoScorer
from probekit.evaluation.scoring.worker_pool import FellSilent, Finished, Message, WorkerPool
from probekit.run_folder.score_table import ScoreRow
from probekit.run_folder.video_set import VideoRow

_log = logging.getLogger("probekit")


class Outcome(NamedTuple):
    """One step of the work on a task: a row, a failure, or, with neither, the end of the task."""

    task: ScoringTask
    row: ScoreRow | None = None
    failure: ScoringFailure | None = None


def score_here(
    tasks: Sequence[ScoringTask], source: ScorerSource, seconds: float | None = None
) -> Generator[Outcome, None, None]:
    """Work through the tasks in this process; without tasks no scorer is made.

    Args:
        tasks: videos and what they lack.
        source: function that makes the scorers.
        seconds: time that one score may take; None is for ever.
    """
    score: VideoScorer | None = None
    for task in tasks:
        score = score or VideoScorer(source, seconds)
        for content in score(task):
            yield _outcome(task, content)
        yield Outcome(task)


def score_in_workers(
    tasks: Sequence[ScoringTask], source: ScorerSource, workers: int, seconds: float | None = None
) -> Generator[Outcome, None, None]:
    """The same from processes that take one video at a time.

    A video whose process dies is tried once more by a new process, in the dimensions that it lacks by then. If that
    dies too, the video is a failure and the others go on. A process that does not even answer when its time is up is
    ended; the dimension that it was at is a failure, and a new process goes on with the others of the video, once.
    """
    answered: defaultdict[VideoRow, set[Part | None]] = defaultdict(set)
    retried: set[VideoRow] = set()
    silenced: set[VideoRow] = set()
    patience = None if seconds is None else seconds + SECONDS_OF_GRACE
    make = partial(VideoScorer, source, seconds)
    with WorkerPool[ScoringTask, ScoreRow | ScoringFailure](make, workers, patience) as pool:
        for task in tasks:
            pool.submit(task)
        for event in pool.events():
            task = event.task
            if isinstance(event, Message):
                answered[task.row].add(_part(event.content))
                yield _outcome(task, event.content)
            elif isinstance(event, Finished) or not (rest := _rest(task, answered[task.row])).parts:
                yield Outcome(task)
            elif isinstance(event, FellSilent):
                problem = f"no score within {event.seconds:.0f} s; its process did not answer and was ended"
                yield Outcome(task, failure=ScoringFailure(rest.parts[0], problem))
                others = rest._replace(parts=rest.parts[1:])
                if others.parts and task.row not in silenced:
                    silenced.add(task.row)
                    pool.retry(others)
                else:
                    yield Outcome(task)
            elif task.row in retried:
                problem = f"its process died twice, at last before {rest.parts[0].dimension} was scored: {event.how}"
                yield Outcome(task, failure=ScoringFailure(None, problem))
                yield Outcome(task)
            else:
                retried.add(task.row)
                _log.warning("%s: the process that scored it died (%s); trying once more", task.path, event.how)
                pool.retry(rest)


def _rest(task: ScoringTask, answered: set[Part | None]) -> ScoringTask:
    """What a process that ended left undone."""
    rest = () if None in answered else tuple(part for part in task.parts if part not in answered)
    return task._replace(parts=rest)


def _part(content: ScoreRow | ScoringFailure) -> Part | None:
    return content.part if isinstance(content, ScoringFailure) else Part(content.clip, content.dimension)


def _outcome(task: ScoringTask, content: ScoreRow | ScoringFailure) -> Outcome:
    return Outcome(task, row=content) if isinstance(content, ScoreRow) else Outcome(task, failure=content)
