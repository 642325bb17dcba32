"""A table of the paper as a sweep: its rows trained, sampled, scored and compared; what is finished is kept."""

import logging
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

from probekit.atomic_files import write_text
from probekit.children import run_child
from probekit.errors import UserError
from probekit.folder_lock import sole_writer
from probekit.reporting.comparison_io import write_comparison
from probekit.reporting.comparison_record import ComparisonRecord
from probekit.suites.registry import load_suite
from probekit.workflows.compare import compare_runs, open_scored_run
from probekit.workflows.sample import sample_suite
from probekit.workflows.score import score_run
from trainer.config.causal import TrajectoryConfig
from trainer.config.recipe import load_recipe
from trainer.config.sweep import SweepConfig, SweepRow, load_sweep
from trainer.engine.checkpoint import newest_checkpoint
from trainer.sweep_table import sweep_table

LOGGER = logging.getLogger("trainer")

LOCK: Final = ".sweep.lock"


class Training(NamedTuple):
    """One stage of a row.

    Attributes:
        recipe: recipe of the stage.
        folder: run folder.
        changes: overrides of the recipe, in the order in which they are applied.
    """

    recipe: Path
    folder: Path
    changes: tuple[str, ...]

    def command(self, processes: int) -> list[str]:
        """Command that trains the stage on a number of processes."""
        return [sys.executable, "-m", *self.module_and_arguments(processes)]

    def module_and_arguments(self, processes: int) -> tuple[str, ...]:
        """Module that the command runs, and its arguments."""
        launcher = ("torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "-m")
        changes = (part for change in self.changes for part in ("--set", change))
        command = ("trainer", "train", str(self.recipe), "--out", str(self.folder), *changes)
        return (*launcher, *command) if processes > 1 else command

    def is_finished(self) -> bool:
        """Whether the stage has trained all steps of its recipe."""
        recipe = load_recipe(self.recipe, self.changes)
        newest = newest_checkpoint(self.folder / "checkpoints")
        steps = None if isinstance(recipe, TrajectoryConfig) else recipe.total_steps
        return newest is not None and newest.steps_done == steps


def trainings_of(row: SweepRow, recipes: Path, out: Path, overrides: Sequence[str] = ()) -> list[Training]:
    """A row's stages in order; each later one starts from the export of the one before.

    Args:
        row: row of the sweep.
        recipes: folder that the paths of recipes are relative to.
        out: folder of the runs.
        overrides: changes of every stage, applied after the stage's own.
    """
    trainings = list[Training]()
    for number, stage in enumerate(row.stages):
        name = row.name if number == len(row.then) else f"{row.name}.stage-{number}"
        before = (f"initial_model={trainings[-1].folder / 'export'}",) if trainings else ()
        changes = (f"name={row.name}", *before, *stage.set, *overrides)
        trainings.append(Training(recipes / stage.recipe, out / name, changes))
    return trainings


def sweep_plan(
    sweep: Path, out: Path, overrides: Sequence[str] = (), processes: int = 1, scale: str = "sprite"
) -> Iterator[str]:
    """What `run_sweep` would do, in lines for a reader; every recipe is read with its overrides.

    Raises:
        UserError: if a recipe or an override is not valid, or the sweep has no such scale.
    """
    config = load_sweep(sweep, scale)
    yield f"{config.title} ({config.source}): {len(config.rows)} rows"
    for row in config.rows:
        yield f"{row.label}:"
        for training in trainings_of(row, sweep.parent, out, (*config.set, *overrides)):
            recipe = load_recipe(training.recipe, training.changes)
            assert not isinstance(recipe, TrajectoryConfig)
            yield f"  {recipe.stage}, {recipe.total_steps} steps: {' '.join(training.command(processes)[1:])}"
    suite = load_suite(config.suite).reduced(config.prompts, config.samples)
    yield f"then {len(suite.prompts)} prompts of {config.suite}, {config.samples} videos each, per row"


def run_sweep(
    sweep: Path,
    out: Path,
    overrides: Sequence[str] = (),
    jobs: int = 1,
    processes: int = 1,
    scale: str = "sprite",
) -> ComparisonRecord:
    """Train, sample, score and compare every row; the same call goes on where an interrupted one stopped.

    Args:
        sweep: sweep file.
        out: folder of the runs and of the table.
        overrides: changes of every recipe, e.g. `steps=50`; they win over the sweep's own.
        jobs: rows trained side by side.
        processes: processes that train a row, started by torchrun if there are several.
        scale: models that are trained, one of the sweep's scales.

    Raises:
        UserError: if a row's training fails, naming its log, or another sweep writes the folder.
    """
    with sole_writer(out / LOCK, out):
        return _run_sweep(load_sweep(sweep, scale), sweep.parent, out, overrides, jobs, processes)


def _run_sweep(
    config: SweepConfig, recipes: Path, out: Path, overrides: Sequence[str], jobs: int, processes: int
) -> ComparisonRecord:
    rows, changes = config.rows, (*config.set, *overrides)
    with ThreadPoolExecutor(jobs) as pool:
        for _ in pool.map(lambda row: _train(row, trainings_of(row, recipes, out, changes), processes), rows):
            pass
    suite = load_suite(config.suite).reduced(config.prompts, config.samples)
    for row in rows:
        sample_suite(str(out / row.name / "export"), suite, out / row.name / "videos")
        score_run(out / row.name / "videos")
    record = compare_runs([open_scored_run(out / row.name / "videos") for row in rows])
    write_comparison(out / "table", record)
    write_text(out / "table" / "sweep.md", sweep_page(config, record))
    return record


def _train(row: SweepRow, trainings: Sequence[Training], processes: int) -> None:
    """Train a row's stages one after the other, each in processes of its own."""
    for training in trainings:
        log = training.folder.with_name(f"{training.folder.name}.log")
        log.parent.mkdir(parents=True, exist_ok=True)
        LOGGER.info("%s: training %s, log in %s", row.label, training.recipe.stem, log)
        module, *arguments = training.module_and_arguments(processes)
        with log.open("ab") as file:
            status = run_child(module, arguments, stdout=file, stderr=file)
        if status != 0:
            raise UserError(f"The training of {row.name} failed.", f"See {log}; finished rows are kept.")
        if not training.is_finished():  # SIGTERM lets it save and end without an error
            raise UserError(f"The training of {row.name} was ended early.", "Run the same command; it goes on there.")


def sweep_page(config: SweepConfig, record: ComparisonRecord) -> str:
    """The table under its title, in Markdown."""
    about = f"After {config.source}. {config.prompts} prompts of {config.suite}."
    return f"# {config.title}\n\n{about}\n\n{sweep_table(config, record).markdown()}"
