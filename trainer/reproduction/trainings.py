"""Trainings of rows, in folders that their recipes name: a row that several tables have is trained once."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from trainer.commands.chain import shortest_path
from trainer.commands.training import Training
from trainer.config.places import RECIPES
from trainer.config.sweep import SWEEPS, SweepConfig, SweepRow
from trainer.reproduction.places import Places
from trainer.reproduction.request import Request
from trainer.reproduction.targets import SYSTEMS
from trainer.sweeps.open_sweep import RowRun, trainings_of


class Row(NamedTuple):
    """A row whose training other tables may share.

    Attributes:
        name: name of its run folder and of its model, from its recipes and what they change.
        label: text in the table.
        trainings: stages in order.
    """

    name: str
    label: str
    trainings: tuple[Training, ...]

    @property
    def export(self) -> Path:
        """Model folder that the last stage writes."""
        return self.trainings[-1].folder / "export"


def rows_of(sweep: SweepConfig, request: Request) -> list[Row]:
    """The rows of a sweep, each in a folder that its recipes name."""
    return [_row(row, sweep.set, request) for row in sweep.rows]


def arms_of(system: str, request: Request) -> list[Row]:
    """The rows of a base system: without and with foresight."""
    folder = Path("..") / request.scale / SYSTEMS[system]
    names = {"dmd_baseline": "without foresight", "dmd_foresight": "with foresight"}
    rows = [SweepRow(name="arm", label=label, recipe=folder / f"{name}.yaml") for name, label in names.items()]
    return [_row(row, (), request) for row in rows]


def _row(row: SweepRow, shared: Sequence[str], request: Request) -> Row:
    name = row_name(row, shared)
    named = row.model_copy(update={"name": name})
    changes = (*shared, *request.size.of_training(), *request.overrides)
    trainings = trainings_of(RowRun(named, 0, 1), SWEEPS, Places(request.out).rows, changes)
    return Row(name, row.label, tuple(one._replace(recipe=shortest_path(one.recipe)) for one in trainings))


def row_name(row: SweepRow, shared: Sequence[str] = ()) -> str:
    """A name that says which recipes a row trains and what it changes in them."""
    stages = [" ".join((_recipe_name(stage.recipe), *stage.set)) for stage in row.stages]
    return re.sub(r"[^A-Za-z0-9.]+", "-", " then ".join((*stages, *shared))).strip("-")


def _recipe_name(recipe: Path) -> str:
    """Its path below the scale's folder, without suffix."""
    inside = Path(os.path.normpath(SWEEPS / recipe)).relative_to(RECIPES).with_suffix("")
    return " ".join(inside.parts[1:])
