"""Alignments of states with an encoder as a table."""

from typing import TYPE_CHECKING, Any, Final

from probekit.reporting.cells import bootstrap_notes, difference_text, interval_text, score_text
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
        Column("value", _value, True),
        Column("95% interval", _interval, True),
        Column("prompts", lambda row: row["n_prompts"], True),
    ]
    kinds = [(row["contrast"], row["interval"], row["instead"], row["reason"]) for row in rows]
    return Table(columns, rows, bootstrap_notes("Bootstrap over prompts", kinds))


def _value(row: Alignment) -> str:
    """A difference with its star; an alignment alone has no sign, and that it is not 0 says nothing."""
    if _is_difference(row):
        return difference_text(row["value"], _STYLE, star=row["star"])
    return score_text(row["value"], _STYLE)


def _interval(row: Alignment) -> str:
    if _is_difference(row) or row["low"] is None:
        return interval_text(row["low"], row["high"], _STYLE)
    return f"[{score_text(row['low'], _STYLE)}, {score_text(row['high'], _STYLE)}]"


def _is_difference(row: Alignment) -> bool:
    return " - " in row["contrast"]
