"""Contrasts of probes as a table: whose states say more of the future."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from probekit.reporting.cells import STAR, difference_text, interval_notes, interval_text, score_text
from probekit.reporting.table import Column, Table

if TYPE_CHECKING:
    import pandas as pd

_STYLE: Final = ".5f"

Contrast = dict[str, Any]
"""One row of `contrast_table`, by column."""


def probe_table(contrasts: "pd.DataFrame", metric: str) -> Table[Contrast]:
    """The contrasts of one metric.

    Args:
        contrasts: rows of `contrast_table`.
        metric: id of the metric.
    """
    chosen = contrasts[contrasts.metric_id == metric]
    rows: list[Contrast] = [dict(zip(map(str, chosen), row, strict=True)) for row in _cells(chosen)]
    columns: list[Column[Contrast]] = [
        Column("contrast", lambda row: row["contrast"]),
        Column("depth", lambda row: str(row["depth"])),
        Column("chunks ahead", lambda row: row["horizon_chunks"]),
        Column("first", lambda row: score_text(row["a"], _STYLE), True),
        Column("second", lambda row: score_text(row["b"], _STYLE), True),
        Column("difference", lambda row: difference_text(row["difference"], _STYLE, star=row["star"]), True),
        Column("95% interval", lambda row: interval_text(row["low"], row["high"], _STYLE), True),
    ]
    kinds = [(row["contrast"], row["interval"], row["instead"], row["reason"]) for row in rows]
    notes = [
        f"Paired bootstrap over held-out prompts, percentile interval; {STAR} the interval excludes 0.",
        *interval_notes(kinds),
    ]
    return Table(columns, rows, notes)


def _cells(contrasts: "pd.DataFrame") -> Iterator[tuple[Any, ...]]:
    """Rows whose absent values are None, not NaN."""
    return contrasts.astype(object).where(contrasts.notna(), None).itertuples(index=False, name=None)
