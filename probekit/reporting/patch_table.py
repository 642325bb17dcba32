"""Effects of patching a state as a table."""

from typing import TYPE_CHECKING, Any, Final

from probekit.reporting.cells import bootstrap_notes, difference_text, interval_text
from probekit.reporting.frame_rows import frame_rows
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
    rows: list[Effect] = frame_rows(effects)
    columns: list[Column[Effect]] = [
        Column("what is written", lambda row: row["edit"]),
        Column("answer", lambda row: row["answer"]),
        Column("mean", lambda row: difference_text(row["difference"], _STYLE, star=row["star"]), True),
        Column("95% interval", lambda row: interval_text(row["low"], row["high"], _STYLE), True),
        Column("prompts", lambda row: row["n_prompts"], True),
    ]
    kinds = [(row["edit"], row["interval"], row["instead"], row["reason"]) for row in rows]
    return Table(columns, rows, bootstrap_notes("Bootstrap over held-out prompts", kinds))
