"""Agreement of two losses' gradients as a table."""

from typing import TYPE_CHECKING, Any, Final

from probekit.reporting.cells import bootstrap_notes, difference_text, interval_text
from probekit.reporting.frame_rows import frame_rows
from probekit.reporting.table import Column, Table

if TYPE_CHECKING:
    import pandas as pd

_STYLE: Final = ".4f"

Agreement = dict[str, Any]
"""One row of `probing.gradient_agreement.gradient_agreement`, by column."""


def gradient_table(agreement: "pd.DataFrame") -> Table[Agreement]:
    """Cosines of gradients by part of the model and denoising step.

    Args:
        agreement: rows of `probing.gradient_agreement.gradient_agreement`.
    """
    rows: list[Agreement] = frame_rows(agreement)
    columns: list[Column[Agreement]] = [
        Column("part", lambda row: row["part"]),
        Column("left at step", lambda row: "all" if row["exit_step"] is None else int(row["exit_step"])),
        Column("what", lambda row: row["kind"]),
        Column("cosine", lambda row: difference_text(row["value"], _STYLE, star=row["star"]), True),
        Column("95% interval", lambda row: interval_text(row["low"], row["high"], _STYLE), True),
        Column("batches", lambda row: row["batches"], True),
    ]
    kinds = [(row["kind"], row["interval"], row["instead"], row["reason"]) for row in rows]
    return Table(columns, rows, bootstrap_notes("Bootstrap over batches", kinds))
