"""The table of what lasts: each attribute, behind something and in view, for one model or two."""

from collections.abc import Callable, Sequence
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
        shares: mean of each model with its interval.
        difference: method minus baseline; None for one model.
    """

    attribute: str
    stated: bool
    occluded: bool
    shares: tuple[DifferenceEstimate, ...]
    difference: DifferenceEstimate | None


def permanence_table(rows: Sequence[PermanenceRow], models: Sequence[str], runs: int = 1) -> Table[PermanenceRow]:
    """Share of sprites that kept each attribute, by model, and the difference of two.

    Args:
        rows: attributes and passages.
        models: names.
        runs: training runs of each model.
    """
    columns = [
        Column[PermanenceRow]("attribute", lambda row: row.attribute),
        Column[PermanenceRow]("stated", lambda row: "by the caption" if row.stated else "nowhere"),
        Column[PermanenceRow]("passage", lambda row: "out of view" if row.occluded else "in view"),
    ]
    data = list(columns)
    for number, model in enumerate(models):
        share = partial(_share, number)
        columns += [
            Column(f"{model}: kept, %", partial(_mean, share), True),
            Column("95% interval", partial(_interval, share), True),
            Column("prompts", partial(_number, share, "n_prompts"), True),
        ]
        data += [Column(f"{model} {head}", partial(_number, share, name)) for name, head in _DATA]
    estimates = [one for row in rows for one in row.shares]
    if len(models) == 2:
        columns += [
            Column("difference", _starred, True),
            Column("95% interval", partial(_interval, _difference), True),
        ]
        data += [Column(f"difference {head}", partial(_number, _difference, name)) for name, head in _DATA]
        estimates += [one._replace(name=f"difference in {one.name}") for one in map(_difference, rows)]
    kinds = [(one.name, one.interval, one.instead, one.reason) for one in estimates]
    notes = bootstrap_notes(_resampled(len(models), runs), kinds)
    return Table(columns, rows, notes, data=data, digits=".6f", group=lambda row: str(row.occluded))


def _resampled(models: int, runs: int) -> str:
    if runs == 1:
        return "Bootstrap over prompts" + ", two runs together" * (models == 2)
    return f"Bootstrap over {runs} {'pairs of ' * (models == 2)}training runs and over prompts"


Estimate = Callable[[PermanenceRow], DifferenceEstimate]
"""One of a row's estimates."""


def _share(number: int, row: PermanenceRow) -> DifferenceEstimate:
    return row.shares[number]


def _difference(row: PermanenceRow) -> DifferenceEstimate:
    assert row.difference is not None
    return row.difference


def _mean(of: Estimate, row: PermanenceRow) -> str:
    return score_text(of(row).difference)


def _starred(row: PermanenceRow) -> str:
    return difference_text(_difference(row).difference, star=_difference(row).star)


def _interval(of: Estimate, row: PermanenceRow) -> str:
    return interval_text(of(row).low, of(row).high)


def _number(of: Estimate, name: str, row: PermanenceRow) -> Cell:
    value: Cell = of(row)._asdict()[name]
    return value
