"""What models lose from a short to a long horizon, as a table."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from probekit.reporting.cells import STAR, difference_text, interval_notes, interval_text, score_text
from probekit.reporting.table import Column, Table, fields
from probekit.statistics.difference_estimate import BootstrapComparison, DifferenceEstimate

_STYLE: Final = ".4f"


class DropRow(NamedTuple):
    """One drop, or one difference of drops (then `short` and `long` are None), as it stands in the tables."""

    what: str
    name: str
    short: float | None
    long: float | None
    drop: float | None
    standard_error: float | None
    low: float | None
    high: float | None
    star: bool
    n_prompts: int
    unit: str
    interval: str | None
    instead: str | None
    reason: str | None


class DropReport(NamedTuple):
    """Drops by model, their difference where there are two models, and how many training runs each has."""

    drops: Mapping[str, BootstrapComparison]
    difference: BootstrapComparison | None
    runs: int = 1

    def rows(self) -> list[DropRow]:
        """One row an estimate: each model's drops, then their difference."""
        named: list[tuple[str, BootstrapComparison]] = list(self.drops.items())
        found = [_row(f"drop of {model}", e, e.a, e.b) for model, drop in named for e in drop.estimates()]
        if self.difference is not None:
            baseline, method = self.drops
            name = f"drop of {method} - drop of {baseline}"
            found += [_row(name, e, None, None) for e in self.difference.estimates()]
        return found


def _row(what: str, estimate: DifferenceEstimate, short: float | None, long: float | None) -> DropRow:
    e = estimate
    ends = (e.standard_error, e.low, e.high, e.star)
    return DropRow(what, e.name, short, long, e.difference, *ends, e.n_prompts, e.unit, e.interval, e.instead, e.reason)


def drop_table(report: DropReport) -> Table[DropRow]:
    """One row per score: both horizons, the drop and its interval."""
    columns: list[Column[DropRow]] = [
        Column("what", lambda row: row.what),
        Column("score", lambda row: row.name),
        Column("short", lambda row: _end(row, row.short), True),
        Column("long", lambda row: _end(row, row.long), True),
        Column("drop", lambda row: difference_text(row.drop, _STYLE, star=row.star), True),
        Column("95% interval", lambda row: interval_text(row.low, row.high, _STYLE), True),
        Column("prompts", lambda row: row.n_prompts, True),
    ]
    rows = report.rows()
    notes = [
        f"{_resampled(report.runs)}; {STAR} marks an interval without 0.",
        *interval_notes([(row.name, row.interval, row.instead, row.reason) for row in rows]),
    ]
    return Table(columns, rows, notes, data=fields(DropRow._fields))


def _resampled(runs: int) -> str:
    if runs == 1:
        return "Paired bootstrap over prompts, percentile interval"
    return f"Over {runs} training runs of each model and over prompts"


def _end(row: DropRow, value: float | None) -> str:
    """Empty for a difference of drops, which has no ends of its own."""
    return "" if row.short is None and row.long is None and row.drop is not None else score_text(value, _STYLE)
