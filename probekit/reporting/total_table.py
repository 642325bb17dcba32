"""Dimension means of one run with their coverage, and Quality, Semantic and Total, as a table."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from probekit.choices import Weighting
from probekit.evaluation.aggregation import Aggregate
from probekit.reporting.cells import NO_VALUE, score_text
from probekit.reporting.table import Column, Table
from probekit.suites.dimension_constants import DimensionConstant

_PERCENT: Final = 100.0
_AGGREGATE: Final = "aggregate"


class DimensionTotal(NamedTuple):
    """One dimension of a run.

    Attributes:
        constant: the dimension's group, range and weight.
        mean: raw mean; None where no video has a score.
        n_scored: videos with a score in all their clips.
        n_planned: videos that should have one.
        reason: why there is no mean.
    """

    constant: DimensionConstant
    mean: float | None
    n_scored: int
    n_planned: int
    reason: str | None

    @property
    def normalised(self) -> float | None:
        """Percent of the way from low to high, not clipped."""
        low, high = self.constant.low, self.constant.high
        return None if self.mean is None else _PERCENT * (self.mean - low) / (high - low)


class RunTotal(NamedTuple):
    """All of a run: every dimension of its suite, and what is made of them."""

    weighting: Weighting
    dimensions: tuple[DimensionTotal, ...]
    aggregate: Aggregate


class TotalRow(NamedTuple):
    """One line of the table: a dimension, or an aggregate, which has no range, weight and videos of its own."""

    quantity: str
    group: str
    raw: float | None
    percent: float | None
    weight: float | None
    scored: int | None
    planned: int | None
    reason: str | None


def total_table(total: RunTotal) -> Table[TotalRow]:
    """Raw and normalised means, weights and coverage of each dimension; below them the aggregates, if there are any."""
    notes = [f"Weighting: {total.weighting}."]
    adds_up = any(own.constant.group != "single" for own in total.dimensions)
    if adds_up and total.aggregate.missing:
        names = ", ".join(map(_words, total.aggregate.missing))
        notes.append(f"Not scored, so what needs them is {NO_VALUE} and not a partial sum: {names}.")
    rows = [*map(_row, total.dimensions), *(_aggregates(total.aggregate) if adds_up else ())]
    return Table(_COLUMNS, rows, notes, data=_DATA, digits=".8g", bold=_is_aggregate, group=lambda row: row.group)


def _row(total: DimensionTotal) -> TotalRow:
    own = total.constant
    counts = (total.n_scored, total.n_planned)
    return TotalRow(own.dimension, own.group, total.mean, total.normalised, own.weight, *counts, total.reason)


def _aggregates(found: Aggregate) -> Iterator[TotalRow]:
    for name, value in (("quality", found.quality), ("semantic", found.semantic), ("total", found.total)):
        reason = None if value is not None else "dimensions are missing"
        yield TotalRow(name, _AGGREGATE, None, value, None, None, None, reason)


def _is_aggregate(row: TotalRow) -> bool:
    return row.group == _AGGREGATE


def _words(quantity: str) -> str:
    return quantity.replace("_", " ")


_COLUMNS: Final[Sequence[Column[TotalRow]]] = (
    Column("dimension", lambda row: row.quantity.capitalize() if _is_aggregate(row) else _words(row.quantity)),
    Column("group", lambda row: "" if _is_aggregate(row) else row.group),
    Column("raw", lambda row: "" if _is_aggregate(row) else score_text(row.raw, ".4f"), True),
    Column("normalised %", lambda row: score_text(row.percent, ".2f" if _is_aggregate(row) else ".4f"), True),
    Column("weight", lambda row: "" if row.weight is None else f"{row.weight:g}", True),
    Column("videos scored", lambda row: "" if row.scored is None else f"{row.scored} of {row.planned}", True),
)

_DATA: Final[Sequence[Column[TotalRow]]] = (
    Column("quantity", lambda row: row.quantity),
    Column("group", lambda row: row.group),
    Column("raw", lambda row: row.raw),
    Column("normalised_percent", lambda row: row.percent),
    Column("weight", lambda row: row.weight),
    Column("videos_scored", lambda row: row.scored),
    Column("videos_planned", lambda row: row.planned),
    Column("reason", lambda row: row.reason),
)
