"""How far several trainings moved the weights that they started from, as one table."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from probekit.errors import UserError
from probekit.models.transformer_source import open_transformer
from probekit.models.weight_changes import WHOLE, WeightChange, weight_changes
from probekit.reporting.table import Column, Table


class PartChanges(NamedTuple):
    """One part of the model.

    Attributes:
        part: name of the part.
        changes: its change in each training.
    """

    part: str
    changes: tuple[WeightChange, ...]


def changes_table(before: str, after: Sequence[str], out: Path) -> Table[PartChanges]:
    """Compare the weights of trained models with those they started from; write `weight_changes.csv`, `.md`, `.tex`.

    Args:
        before: model that the trainings started from, as `open_transformer` takes it.
        after: trained models.
        out: folder of the table.

    Raises:
        UserError: if there is no trained model, or weights do not fit each other.
    """
    if not after:
        raise UserError("There is no trained model.", "Give the model that trainings started from, then theirs.")
    names = _names(after)
    start = open_transformer(before)
    found = [weight_changes(start.file.weights, open_transformer(model).file.weights) for model in after]
    rows = [PartChanges(changes[0].part, changes) for changes in zip(*found, strict=True)]
    notes = [
        f"Start: {before}. Moved: share of single weights whose stored number differs. "
        "Distance: Frobenius norm of the difference, in percent of that of the start."
    ]
    table = Table(_columns(names), rows, notes, bold=lambda row: row.part == WHOLE)
    table.write(out, "weight_changes", latex=True)
    return table


def _names(models: Sequence[str]) -> list[str]:
    """The last part of each path that tells the models apart: an `export` folder is named by the run above it."""
    names = [path.parent.name if path.name == "export" else path.name for path in map(Path, models)]
    return list(models) if len(set(names)) < len(names) else names


def _columns(names: Sequence[str]) -> list[Column[PartChanges]]:
    columns = [
        Column[PartChanges]("part", lambda row: row.part),
        Column[PartChanges]("weights", lambda row: row.changes[0].entries, True),
    ]
    for number, name in enumerate(names):
        columns += [
            Column(f"{name}: moved, %", partial(_moved, number), True),
            Column(f"{name}: distance, %", partial(_distance, number), True),
        ]
    return columns


def _moved(number: int, row: PartChanges) -> float:
    return 100 * row.changes[number].moved


def _distance(number: int, row: PartChanges) -> float:
    return 100 * row.changes[number].relative
