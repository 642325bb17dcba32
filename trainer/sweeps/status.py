"""Where a sweep stands: a line for each training run, from what lies in its folders; nothing is run."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from trainer.model_card import trained_seconds
from trainer.run_progress import sampled
from trainer.sweeps.open_sweep import OpenSweep, RowRun
from trainer.sweeps.readings import open_readings
from trainer.sweeps.scoring import is_finished, suite_of, videos_of


class RunStatus(NamedTuple):
    """Where a training run stands.

    Attributes:
        run: run of a row.
        state: what is done, in words, e.g. `trained 40 of 60 steps`.
        finished: whether it is trained, sampled, scored and read.
        seconds: wall time of its trainings so far, by their logs.
    """

    run: RowRun
    state: str
    finished: bool
    seconds: float


def sweep_status(sweep: OpenSweep) -> list[RunStatus]:
    """Where each training run stands.

    Raises:
        UserError: if a recipe or an override is not valid.
    """
    return [_status(run, sweep) for run in sweep.runs()]


def status_lines(found: Sequence[RunStatus]) -> Iterator[str]:
    """One line a run, then a line for all."""
    for one in found:
        yield f"{one.run.label}: {one.state}; {one.seconds / 60:.1f} minutes of training"
    finished, minutes = sum(one.finished for one in found), sum(one.seconds for one in found) / 60
    yield f"{finished} of {len(found)} runs are finished; {minutes:.1f} minutes of training"


def _status(run: RowRun, sweep: OpenSweep) -> RunStatus:
    trainings, out, config = sweep.trainings(run), sweep.out, sweep.config
    seconds = sum(trained_seconds(training.folder) for training in trainings)
    for training in trainings:
        done, steps = training.steps()
        if done != steps:
            return RunStatus(run, f"{training.recipe.stem} trained {done} of {steps} steps", False, seconds)
    for scored in config.suites:
        folder, planned = videos_of(run, out, config, scored), len(suite_of(scored).keys())
        of_suite = "" if len(config.suites) == 1 else f" of {scored.suite}"
        if (made := sampled(folder)) < planned:
            return RunStatus(run, f"trained; sampled {made} of {planned} videos{of_suite}", False, seconds)
        if not is_finished(folder, scored):
            return RunStatus(run, f"trained and sampled; not scored{of_suite}", False, seconds)
    if missing := open_readings(sweep, run):
        return RunStatus(run, f"trained, sampled and scored; not read: {', '.join(missing)}", False, seconds)
    return RunStatus(run, "trained, sampled and scored", True, seconds)
