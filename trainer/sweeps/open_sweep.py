"""What a sweep trains: the training runs of its rows, and the stages of a run, each a command and a folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from trainer.commands.training import Training
from trainer.config.recipe import load_recipe, without_absent_blocks
from trainer.config.sweep import SweepConfig, SweepRow, load_sweep

_SEEDS_APART: Final = 1000
_FURTHER_RUNS: Final = "_runs"
"""No row can have this name."""


class RowRun(NamedTuple):
    """One of a row's training runs.

    Attributes:
        row: row of the sweep.
        number: which of its runs, from 0. Run k trains every stage with the recipe's seed plus 1000 k. So rows of one
            number whose recipes share a seed share prompts, noise and exits, and are pairs.
        runs: how many runs the row has.
    """

    row: SweepRow
    number: int
    runs: int

    @property
    def folder(self) -> Path:
        """Run folder of its last stage, in that of the sweep; all runs of a row end in its name, as the model's."""
        return Path(self.row.name) if self.number == 0 else Path(_FURTHER_RUNS, str(self.number), self.row.name)

    @property
    def label(self) -> str:
        """Text in logs and lists."""
        return self.row.label if self.runs == 1 else f"{self.row.label}, run {self.number + 1} of {self.runs}"


def runs_of(config: SweepConfig) -> list[RowRun]:
    """Every training run: the first of all rows, then the second, so that a sweep cut short has whole pairs."""
    counts = [config.more_seeds.get(row.name, config.seeds) for row in config.rows]
    return [
        RowRun(row, number, count)
        for number in range(max(counts))
        for row, count in zip(config.rows, counts, strict=True)
        if number < count
    ]


class OpenSweep(NamedTuple):
    """A sweep at one scale, with where its runs go and what is changed in all of them.

    Attributes:
        config: rows, suites and numbers of runs.
        recipes: folder that the paths of recipes are relative to.
        out: folder of the runs and tables.
        changes: overrides of every recipe that has what they change; later ones win.
        scale: models that are trained.
    """

    config: SweepConfig
    recipes: Path
    out: Path
    changes: tuple[str, ...]
    scale: str = "sprite"

    def runs(self) -> list[RowRun]:
        """Every training run, as `runs_of`."""
        return runs_of(self.config)

    def trainings(self, run: RowRun) -> list[Training]:
        """A run's stages, as `trainings_of`."""
        return trainings_of(run, self.recipes, self.out, self.changes)


def open_sweep(
    path: Path, out: Path, overrides: Sequence[str] = (), scale: str = "sprite", seeds: int | None = None
) -> OpenSweep:
    """Read a sweep file.

    Args:
        path: sweep file.
        out: folder of the runs and tables.
        overrides: changes of every recipe, e.g. `steps=50`; they win over the sweep's own.
        scale: models that are trained, one of the sweep's scales.
        seeds: training runs of every row; None for the sweep's own numbers.

    Raises:
        UserError: if a key or value is not allowed, or the sweep has no such scale.
    """
    config = load_sweep(path, scale).with_seeds(seeds)
    return OpenSweep(config, path.parent, out, (*config.set, *overrides), scale)


def trainings_of(run: RowRun, recipes: Path, out: Path, overrides: Sequence[str] = ()) -> list[Training]:
    """A run's stages in order; each later one starts from the export of the one before.

    Args:
        run: run of a row of the sweep.
        recipes: folder that the paths of recipes are relative to.
        out: folder of the runs.
        overrides: changes of every stage, applied after the stage's own. A block that a stage leaves out, such as
            `foresight` in the row without it, is not given to it.
    """
    trainings = list[Training]()
    for number, stage in enumerate(run.row.stages):
        name = run.row.name if number == len(run.row.then) else f"{run.row.name}.stage-{number}"
        before = (f"initial_model={trainings[-1].folder / 'export'}",) if trainings else ()
        recipe = recipes / stage.recipe
        own = (f"name={run.row.name}", *before, *stage.set)
        changes = _reseeded(recipe, (*own, *without_absent_blocks(recipe, own, overrides)), run)
        trainings.append(Training(recipe, out / run.folder.with_name(name), changes))
    return trainings


def _reseeded(recipe: Path, changes: tuple[str, ...], run: RowRun) -> tuple[str, ...]:
    if run.number == 0:
        return changes
    return (*changes, f"seed={load_recipe(recipe, changes).seed + _SEEDS_APART * run.number}")
