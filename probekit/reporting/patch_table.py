"""Effects of patching a state as a table."""

from typing import TYPE_CHECKING, Any, Final

from probekit.reporting.cells import STAR, difference_text, interval_notes, interval_text
from probekit.reporting.table import Column, Table

if TYPE_CHECKING:
    import pandas as pd

_STYLE: Final = ".4f"

Effect = dict[str, Any]
"""One row of `workflows.patch.PatchResult.effects`, by column."""


def patch_table(effects: "pd.DataFrame") -> Table[Effect]:
    """What the next chunk made of each edit.

    Args:
        effects: effects of `workflows.patch.patch_model`.
    """
    cells = effects.astype(object).where(effects.notna(), None)
    rows: list[Effect] = [dict(zip(map(str, cells), row, strict=True)) for row in cells.to_numpy().tolist()]
    columns: list[Column[Effect]] = [
        Column("what is written", lambda row: row["edit"]),
        Column("answer", lambda row: row["answer"]),
        Column("mean", lambda row: difference_text(row["difference"], _STYLE, star=row["star"]), True),
        Column("95% interval", lambda row: interval_text(row["low"], row["high"], _STYLE), True),
        Column("prompts", lambda row: row["n_prompts"], True),
    ]
    kinds = [(row["edit"], row["interval"], row["instead"], row["reason"]) for row in rows]
    notes = [
        f"Bootstrap over held-out prompts, percentile interval; {STAR} the interval excludes 0.",
        *interval_notes(kinds),
    ]
    return Table(columns, rows, notes)
