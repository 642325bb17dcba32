"""Where a sweep stands: a line for each training run, from what lies in its folders; nothing is run."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from probekit.errors import UserError
from probekit.run_folder.manifest import load_video_set
from probekit.suites.registry import load_suite
from probekit.workflows.compare import open_scored_run
from trainer.config.sweep import load_sweep
from trainer.model_card import trained_seconds
from trainer.sweep import videos_of
from trainer.sweep_runs import RowRun, Training, runs_of, trainings_of


class RunStatus(NamedTuple):
    """Where a training run stands.

    Attributes:
        run: run of a row.
        state: what is done, in words, e.g. `trained 40 of 60 steps`.
        finished: whether it is trained, sampled and scored.
        seconds: wall time of its trainings so far, by their logs.
    """

    run: RowRun
    state: str
    finished: bool
    seconds: float


def sweep_status(sweep: Path, out: Path, scale: str, overrides: Sequence[str], seeds: int | None) -> list[RunStatus]:
    """Where each training run stands.

    Args:
        sweep: sweep file.
        out: folder of the runs.
        scale: models that are trained.
        overrides: changes of every recipe, as the sweep is run with.
        seeds: training runs of each row; None for the sweep's own numbers.

    Raises:
        UserError: if the sweep, a recipe or an override is not valid.
    """
    config = load_sweep(sweep, scale).with_seeds(seeds)
    videos = len(load_suite(config.suite).reduced(config.prompts, config.samples).keys())
    changes = (*config.set, *overrides)
    return [_status(run, trainings_of(run, sweep.parent, out, changes), out, videos) for run in runs_of(config)]


def status_lines(found: Sequence[RunStatus]) -> Iterator[str]:
    """One line a run, then a line for all."""
    for one in found:
        yield f"{one.run.label}: {one.state}; {one.seconds / 60:.1f} minutes of training"
    finished, minutes = sum(one.finished for one in found), sum(one.seconds for one in found) / 60
    yield f"{finished} of {len(found)} runs are finished; {minutes:.1f} minutes of training"


def _status(run: RowRun, trainings: Sequence[Training], out: Path, planned: int) -> RunStatus:
    seconds = sum(trained_seconds(training.folder) for training in trainings)
    for training in trainings:
        done, steps = training.steps()
        if done != steps:
            return RunStatus(run, f"{training.recipe.stem} trained {done} of {steps} steps", False, seconds)
    folder = videos_of(run, out)
    sampled = _sampled(folder)
    if sampled < planned:
        return RunStatus(run, f"trained; sampled {sampled} of {planned} videos", False, seconds)
    try:
        open_scored_run(folder)
    except UserError:
        return RunStatus(run, "trained and sampled; not scored", False, seconds)
    return RunStatus(run, "trained, sampled and scored", True, seconds)


def _sampled(folder: Path) -> int:
    try:
        return len(load_video_set(folder).rows)
    except UserError:
        return 0
