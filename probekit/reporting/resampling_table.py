"""One comparison under several resamplings, side by side: how much the interval of an aggregate depends on them."""

from collections.abc import Sequence
from typing import NamedTuple

from probekit.reporting.cells import bootstrap_notes, difference_text, interval_text, quantity_text, score_text
from probekit.reporting.comparison_record import ComparisonRecord, ComparisonRow
from probekit.reporting.table import Column, Table

_ERRORS = ".3f"


class ResampledRow(NamedTuple):
    """An aggregate of one method under one resampling."""

    resampling: str
    suite: str
    row: ComparisonRow


def resampling_table(records: Sequence[ComparisonRecord]) -> Table[ResampledRow]:
    """The aggregates of each record, resampling by resampling.

    Args:
        records: comparisons of the same runs that differ in their resampling.
    """
    rows = [
        ResampledRow(record.settings.resampling, record.settings.suite, row)
        for record in records
        for row in record.rows
        if row.group == "aggregate"
    ]
    columns: list[Column[ResampledRow]] = [
        Column("method", lambda one: one.resampling),
        Column("quantity", lambda one: quantity_text(one.row.quantity, one.suite)),
        Column("difference", lambda one: difference_text(one.row.difference, _ERRORS, star=one.row.star), True),
        Column("standard error (closed form)", _errors, True),
        Column("95% interval", lambda one: interval_text(one.row.low, one.row.high, _ERRORS), True),
        Column("prompts", lambda one: one.row.n_prompts, True),
    ]
    kinds = [
        (f"{one.resampling} {quantity_text(one.row.quantity, one.suite)}", one.row.interval, one.row.instead,
         one.row.reason)
        for one in rows
    ]  # fmt: skip
    return Table(columns, rows, bootstrap_notes("Percentage points; bootstrap", kinds))


def _errors(one: ResampledRow) -> str:
    return f"{score_text(one.row.standard_error, _ERRORS)} ({score_text(one.row.closed_form_error, _ERRORS)})"
