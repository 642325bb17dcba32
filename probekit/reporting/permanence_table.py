"""The table of what lasts: each attribute, behind something and in view, for one run or two."""

from collections.abc import Sequence
from functools import partial
from typing import Final, NamedTuple

from probekit.reporting.cells import bootstrap_notes, difference_text, interval_text, score_text
from probekit.reporting.table import Cell, Column, Table
from probekit.statistics.difference_estimate import DifferenceEstimate

_DATA: Final = (("difference", "mean"), ("low", "low"), ("high", "high"), ("n_prompts", "prompts"))
"""Fields of an estimate and what the CSV calls them."""


class PermanenceRow(NamedTuple):
    """One attribute over one kind of passage; shares in percent.

    Attributes:
        attribute: name, such as `color`.
        stated: whether captions state it.
        occluded: whether the sprite was out of view in between.
        shares: mean of each run with its interval.
        difference: method minus baseline; None for one run.
    """

    attribute: str
    stated: bool
    occluded: bool
    shares: tuple[DifferenceEstimate, ...]
    difference: DifferenceEstimate | None


def permanence_table(rows: Sequence[PermanenceRow], models: Sequence[str]) -> Table[PermanenceRow]:
    """Share of sprites that kept each attribute, by run, and the difference of two."""
    columns = [
        Column[PermanenceRow]("attribute", lambda row: row.attribute),
        Column[PermanenceRow]("stated", lambda row: "by the caption" if row.stated else "nowhere"),
        Column[PermanenceRow]("passage", lambda row: "out of view" if row.occluded else "in view"),
    ]
    data = list(columns)
    for number, model in enumerate(models):
        columns += [
            Column(f"{model}: kept, %", partial(_mean, number), True),
            Column("95% interval", partial(_interval, number), True),
            Column("prompts", partial(_prompts, number), True),
        ]
        data += [Column(f"{model} {head}", partial(_number, number, name)) for name, head in _DATA]
    kinds = [(one.name, one.interval, one.instead, one.reason) for row in rows for one in row.shares]
    if len(models) == 2:
        columns += [Column("difference", _difference, True), Column("95% interval", _difference_interval, True)]
        data += [Column(f"difference {head}", partial(_of_difference, name)) for name, head in _DATA]
        differences = [row.difference for row in rows if row.difference is not None]
        kinds += [(f"difference in {one.name}", one.interval, one.instead, one.reason) for one in differences]
    notes = bootstrap_notes("Bootstrap over prompts, two runs together", kinds)
    return Table(columns, rows, notes, data=data, digits=".6f", group=lambda row: str(row.occluded))


def _mean(number: int, row: PermanenceRow) -> str:
    return score_text(row.shares[number].difference)


def _interval(number: int, row: PermanenceRow) -> str:
    return interval_text(row.shares[number].low, row.shares[number].high)


def _prompts(number: int, row: PermanenceRow) -> int:
    return row.shares[number].n_prompts


def _number(number: int, name: str, row: PermanenceRow) -> Cell:
    value: Cell = row.shares[number]._asdict()[name]
    return value


def _difference(row: PermanenceRow) -> str:
    assert row.difference is not None
    return difference_text(row.difference.difference, star=row.difference.star)


def _difference_interval(row: PermanenceRow) -> str:
    assert row.difference is not None
    return interval_text(row.difference.low, row.difference.high)


def _of_difference(name: str, row: PermanenceRow) -> Cell:
    assert row.difference is not None
    value: Cell = row.difference._asdict()[name]
    return value
