"""Alignments of states with an encoder as a table."""

from typing import TYPE_CHECKING, Any, Final

from probekit.reporting.cells import bootstrap_notes, difference_text, interval_text
from probekit.reporting.frame_rows import frame_rows
from probekit.reporting.table import Column, Table

if TYPE_CHECKING:
    import pandas as pd

_STYLE: Final = ".4f"

Alignment = dict[str, Any]
"""One row of `probing.alignment.compare_alignments`, by column."""


def alignment_table(contrasts: "pd.DataFrame", metric: str) -> Table[Alignment]:
    """Alignments and their differences for one metric.

    Args:
        contrasts: rows of `probing.alignment.compare_alignments`.
        metric: id of the metric.
    """
    chosen = contrasts[contrasts.metric_id == metric]
    rows: list[Alignment] = frame_rows(chosen)
    columns: list[Column[Alignment]] = [
        Column("arm", lambda row: row["arm"]),
        Column("what", lambda row: row["contrast"]),
        Column("site", lambda row: row["site"] or ""),
        Column("chunks ahead", lambda row: row["offset_chunks"]),
        Column("value", lambda row: difference_text(row["value"], _STYLE, star=row["star"]), True),
        Column("95% interval", lambda row: interval_text(row["low"], row["high"], _STYLE), True),
        Column("prompts", lambda row: row["n_prompts"], True),
    ]
    kinds = [(row["contrast"], row["interval"], row["instead"], row["reason"]) for row in rows]
    return Table(columns, rows, bootstrap_notes("Bootstrap over prompts", kinds))
