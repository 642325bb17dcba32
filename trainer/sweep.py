"""A table of the paper as a sweep: its rows trained, sampled, scored and compared; what is finished is kept."""

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from probekit.children import run_child
from probekit.errors import UserError
from probekit.folder_lock import sole_writer
from probekit.reporting.comparison_record import ComparisonRecord
from trainer.config.causal import TrajectoryConfig
from trainer.config.recipe import load_recipe
from trainer.config.sweep import SweepConfig, load_sweep
from trainer.sweep_results import write_tables
from trainer.sweep_reuse import note_inputs, take_finished
from trainer.sweep_runs import TAKEN, RowRun, Training, runs_of, trainings_of
from trainer.sweep_scoring import score_runs, suite_of

LOGGER = logging.getLogger("trainer")

LOCK: Final = ".sweep.lock"


def sweep_plan(
    sweep: Path,
    out: Path,
    overrides: Sequence[str] = (),
    processes: int = 1,
    scale: str = "sprite",
    seeds: int | None = None,
) -> Iterator[str]:
    """What `run_sweep` would do, in lines for a reader; every recipe is read with its overrides.

    Raises:
        UserError: if a recipe or an override is not valid, or the sweep has no such scale.
    """
    config = load_sweep(sweep, scale).with_seeds(seeds)
    runs = runs_of(config)
    yield f"{config.title} ({config.source}): {len(config.rows)} rows, {len(runs)} training runs"
    for run in runs:
        yield f"{run.label}:"
        for training in trainings_of(run, sweep.parent, out, (*config.set, *overrides)):
            recipe = load_recipe(training.recipe, training.changes)
            assert not isinstance(recipe, TrajectoryConfig)
            yield f"  {recipe.stage}, {recipe.total_steps} steps: {' '.join(training.command(processes)[1:])}"
    for scored in config.suites:
        prompts = len(suite_of(scored).prompts)
        yield f"then {prompts} prompts of {scored.suite}, {scored.samples} videos each, per training run"


def run_sweep(
    sweep: Path,
    out: Path,
    overrides: Sequence[str] = (),
    jobs: int = 1,
    processes: int = 1,
    scale: str = "sprite",
    seeds: int | None = None,
) -> ComparisonRecord:
    """Train, sample, score and compare every row; the same call goes on where an interrupted one stopped.

    Args:
        sweep: sweep file.
        out: folder of the runs and of the table.
        overrides: changes of every recipe, e.g. `steps=50`; they win over the sweep's own.
        jobs: training runs side by side.
        processes: processes that train a row, started by torchrun if there are several.
        scale: models that are trained, one of the sweep's scales.
        seeds: training runs of every row; None for the sweep's own numbers.

    Raises:
        UserError: if a row's training fails, naming its log, or another sweep writes the folder.
    """
    with sole_writer(out / LOCK, out):
        return _run_sweep(load_sweep(sweep, scale).with_seeds(seeds), sweep.parent, out, overrides, jobs, processes)


def _run_sweep(
    config: SweepConfig, recipes: Path, out: Path, overrides: Sequence[str], jobs: int, processes: int
) -> ComparisonRecord:
    runs, changes = runs_of(config), (*config.set, *overrides)
    with ThreadPoolExecutor(jobs) as pool:
        for _ in pool.map(lambda run: _train(run, trainings_of(run, recipes, out, changes), processes, out), runs):
            pass
    for scored in config.suites:
        score_runs(runs, config, scored, out, jobs)
    records = [write_tables(config, scored, runs, recipes, out, changes) for scored in config.suites]
    return records[0]


def _train(run: RowRun, trainings: Sequence[Training], processes: int, out: Path) -> None:
    """Train a run's stages one after the other, each in processes of its own, or take those of a sweep beside it."""
    for training in trainings:
        if (training.folder / TAKEN).is_file() or take_finished(training, out.absolute().parent):
            continue
        note_inputs(training)
        log = training.folder.with_name(f"{training.folder.name}.log")
        log.parent.mkdir(parents=True, exist_ok=True)
        LOGGER.info("%s: training %s, log in %s", run.label, training.recipe.stem, log)
        module, *arguments = training.module_and_arguments(processes)
        with log.open("ab") as file:
            status = run_child(module, arguments, stdout=file, stderr=file)
        if status != 0:
            raise UserError(f"The training of {run.folder} failed.", f"See {log}; finished rows are kept.")
        if not training.is_finished():  # SIGTERM lets it save and end without an error
            raise UserError(f"The training of {run.folder} was ended early.", "Run the same command; it goes on there.")
