"""Every pair of compared models on Total: a table that is written, and read back."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from probekit.errors import UserError
from probekit.reporting.cells import difference_text, interval_notes, interval_text
from probekit.reporting.table import Column, Table, fields
from probekit.statistics.interval_choice import Interval
from probekit.statistics.power import times_as_much
from probekit.user_files.tables import Record, read_table

PAIRS: Final = "pairs"
"""Name of the files."""
_AGAIN: Final = "Compare the runs again."
_MANY: Final = 1000
_NUMBERS: Final = ("difference", "standard_error", "low", "high", "p_value", "holm")
_TEXTS: Final = ("interval", "instead", "reason")
_NOTE: Final = (
    "Total of the first minus Total of the second, in points. p: over training runs and prompts by Student's t test "
    "where runs are resampled, else by sign flips of prompts; Holm: adjusted over the pairs of this table. Times the "
    "data, of open pairs: as many runs and prompts would find a difference of this size in four of five comparisons."
)


class PairRow(NamedTuple):
    """Total of one model minus Total of another, in percent.

    Attributes:
        first: model.
        second: model that is subtracted.
        runs: training runs of each that take part.
        difference: estimate; None where Total cannot be worked out.
        standard_error: None with `reason`.
        low: lower end of the 95 % interval; None with `reason`.
        high: upper end.
        n_prompts: prompts of the smallest dimension.
        p_value: two-sided; None with `reason`.
        holm: adjusted over the pairs of the table; None with `reason`.
        interval: kind of the interval; None without one.
        instead: why it is not the kind that was asked for.
        reason: why there is no interval.
    """

    first: str
    second: str
    runs: int
    difference: float | None
    standard_error: float | None
    low: float | None
    high: float | None
    n_prompts: int
    p_value: float | None
    holm: float | None
    interval: str | None = None
    instead: str | None = None
    reason: str | None = None

    def name(self) -> str:
        """Both models."""
        return f"{self.first} and {self.second}"

    def excludes_zero(self) -> bool:
        """Whether there is an interval without 0."""
        return Interval(self.low, self.high).excludes_zero()


def turned_pair(row: PairRow) -> PairRow:
    """The same pair with the second model first."""
    difference, low, high = (None if value is None else -value for value in (row.difference, row.high, row.low))
    return row._replace(first=row.second, second=row.first, difference=difference, low=low, high=high)


def pair_table(rows: Sequence[PairRow], labels: dict[str, str] | None = None) -> Table[PairRow]:
    """One row per pair.

    Args:
        rows: pairs.
        labels: what readers see in place of a model's name.
    """

    def label(model: str) -> str:
        return (labels or {}).get(model, model)

    columns: list[Column[PairRow]] = [
        Column("first", lambda row: label(row.first)),
        Column("second", lambda row: label(row.second)),
        Column("runs of each", lambda row: row.runs, True),
        Column("difference", lambda row: difference_text(row.difference, star=row.excludes_zero()), True),
        Column("95% interval", lambda row: interval_text(row.low, row.high), True),
        Column("p", lambda row: row.p_value, True),
        Column("Holm", lambda row: row.holm, True),
        Column("times the data to tell", _times, True),
    ]
    seen = [row._replace(first=label(row.first), second=label(row.second)) for row in rows]
    named = [(row.name(), row.interval, row.instead, row.reason) for row in seen]
    return Table(columns, rows, [_NOTE, *interval_notes(named)], data=fields(PairRow._fields), digits=".6g")


def _times(row: PairRow) -> str:
    if row.difference is None or row.standard_error is None or row.low is None or row.excludes_zero():
        return ""
    times = times_as_much(row.difference, row.standard_error)
    return f"{times:.1f}" if times < _MANY else f"over {_MANY:,}"


def read_pairs(folder: Path) -> list[PairRow]:
    """The pairs beside a stored comparison.

    Raises:
        UserError: if there are none, or a row is damaged.
    """
    path = folder / f"{PAIRS}.csv"
    table = read_table(path, what="table of pairs", fix=_AGAIN, columns=PairRow._fields)
    try:
        return [_read(record) for record in table.records]
    except UserError as error:
        raise table.at(error) from error


def _read(record: Record) -> PairRow:
    runs, prompts = (record.number(name, _AGAIN) for name in ("runs", "n_prompts"))
    if runs is None or prompts is None:
        raise UserError(f"{record.place}: runs or n_prompts is empty.", _AGAIN)
    difference, error, low, high, p_value, adjusted = (record.number(name, _AGAIN) for name in _NUMBERS)
    interval, instead, reason = (record.text(name) or None for name in _TEXTS)
    return PairRow(
        record.text("first"), record.text("second"), int(runs), difference, error, low, high, int(prompts), p_value,
        adjusted, interval, instead, reason,
    )  # fmt: skip
