"""What was read from the rows of a sweep, against the first row, over training runs and prompts."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.reporting.cells import difference_text, interval_notes, interval_text, score_text
from probekit.reporting.table import Cell, Column, Table
from probekit.seeding import generator
from probekit.statistics.difference_estimate import DifferenceEstimate
from probekit.statistics.paired_means import paired_means
from probekit.statistics.significance import holm
from trainer.sweeps.reading_values import Quantity, Values

_STYLE: Final = ".5f"


class ReadingRow(NamedTuple):
    """One quantity of one row.

    Attributes:
        quantity: what is read.
        label: text of the row.
        runs: training runs that take part.
        mean: mean over them and over prompts, or batches.
        difference: the row minus the first row on what both have; of the gradients' cosine, which the first row does
            not have, the value itself. None for the first row, and where nothing is shared.
        holm: p of the difference, adjusted over the table; None where runs are not resampled.
    """

    quantity: Quantity
    label: str
    runs: int
    mean: float
    difference: DifferenceEstimate | None
    holm: float | None = None


RowValues = Mapping[str, Sequence[Values]]
"""By label of a row: values of each of its runs, in the order of their numbers."""


def reading_rows(found: RowValues) -> list[ReadingRow]:
    """Each quantity of each row, with Holm's correction over all differences that have a p-value.

    Args:
        found: values of the runs of each row, the first row's first.
    """
    rows = list(_rows(found))
    adjusted = iter(holm([p for row in rows if (p := _p_value(row)) is not None]))
    return [row if _p_value(row) is None else row._replace(holm=next(adjusted)) for row in rows]


def _rows(found: RowValues) -> Iterator[ReadingRow]:
    first, *_ = found
    quantities = dict.fromkeys(quantity for runs in found.values() for values in runs for quantity in values)
    for quantity in quantities:
        baseline = _of(quantity, found[first])
        for label, runs in found.items():
            own = _of(quantity, runs)
            if own:
                mean = float(np.mean([np.mean(list(run.values())) for run in own]))
                difference = None if label == first else _difference(quantity, own, baseline)
                yield ReadingRow(quantity, label, len(own), mean, difference)


def _of(quantity: Quantity, runs: Sequence[Values]) -> list[Mapping[str, float]]:
    """Values of a quantity of each run, up to the first run that has none: runs are pairs by their numbers."""
    found = list[Mapping[str, float]]()
    for values in runs:
        if not values.get(quantity):
            break
        found.append(values[quantity])
    return found


def _difference(
    quantity: Quantity, own: Sequence[Mapping[str, float]], baseline: Sequence[Mapping[str, float]]
) -> DifferenceEstimate | None:
    pairs = min(len(own), len(baseline)) if baseline else len(own)
    theirs = baseline[:pairs] if baseline else [dict.fromkeys(run, 0.0) for run in own]
    shared = sorted(set.intersection(*(set(run) for run in (*own[:pairs], *theirs))))
    if not shared:
        return None
    a, b = (_array(runs, shared) for runs in (own[:pairs], theirs))
    return paired_means(quantity.name, a, b, rng=generator("sweep-readings", 0, quantity.name))


def _array(runs: Sequence[Mapping[str, float]], prompts: Sequence[str]) -> NDArray[np.float64]:
    return np.array([[run[prompt] for prompt in prompts] for run in runs])


def _p_value(row: ReadingRow) -> float | None:
    return None if row.difference is None or row.difference.reason else row.difference.p_value


def reading_table(rows: Sequence[ReadingRow]) -> Table[ReadingRow]:
    """One line per quantity and row.

    Args:
        rows: lines of `reading_rows`.
    """
    columns: list[Column[ReadingRow]] = [
        Column("reading", lambda row: row.quantity.name),
        Column("better", lambda row: row.quantity.better),
        Column("row", lambda row: row.label),
        Column("runs", lambda row: row.runs, True),
        Column("value", lambda row: score_text(row.mean, _STYLE), True),
        Column("against the first", _shown, True),
        Column("95% interval", _interval, True),
        Column("Holm", lambda row: "" if row.holm is None else row.holm, True),
    ]
    return Table(
        columns, rows, list(_notes(rows)), data=_DATA, digits=".6g", group=lambda row: row.quantity.name,
    )  # fmt: skip


def _notes(rows: Sequence[ReadingRow]) -> Iterator[str]:
    found = [row.difference for row in rows if row.difference is not None and not _is_cosine(row)]
    stars = sum(one.star for one in found)
    yield (
        f"{stars} of {len(found)} intervals exclude 0; where nothing differs one in twenty does. Holm adjusts over all "
        "lines that have a p-value, which takes two training runs. Errors are mean squared errors in [0, 1]. "
        "Cosines of gradients are of single batches, against 0."
    )
    named = [(row.quantity.name, row.difference) for row in rows if row.difference is not None]
    yield from interval_notes([(name, one.interval, one.instead, one.reason) for name, one in named])


def _is_cosine(row: ReadingRow) -> bool:
    return not row.quantity.better


def _shown(row: ReadingRow) -> str:
    one = row.difference
    return "" if one is None or _is_cosine(row) else difference_text(one.difference, _STYLE, star=one.star)


def _interval(row: ReadingRow) -> str:
    return "" if row.difference is None else interval_text(row.difference.low, row.difference.high, _STYLE)


def _of_difference(value: Callable[[DifferenceEstimate], Cell]) -> Callable[[ReadingRow], Cell]:
    return lambda row: None if row.difference is None else value(row.difference)


_DATA: Final[Sequence[Column[ReadingRow]]] = (
    Column("reading", lambda row: row.quantity.name),
    Column("better", lambda row: row.quantity.better),
    Column("row", lambda row: row.label),
    Column("runs", lambda row: row.runs),
    Column("value", lambda row: row.mean),
    Column("difference", _of_difference(lambda one: one.difference)),
    Column("low", _of_difference(lambda one: one.low)),
    Column("high", _of_difference(lambda one: one.high)),
    Column("n_prompts", _of_difference(lambda one: one.n_prompts)),
    Column("p_value", _of_difference(lambda one: one.p_value)),
    Column("holm", lambda row: row.holm),
)
