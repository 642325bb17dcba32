"""Contrasts of probes as a table: whose states say more of the future."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from probekit.reporting.cells import bootstrap_notes, difference_text, interval_text, score_text
from probekit.reporting.frame_rows import frame_rows
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
    rows: list[Contrast] = frame_rows(chosen)
    columns: list[Column[Contrast]] = [
        Column("contrast", lambda row: row["contrast"]),
        Column("site", lambda row: row["site"]),
        Column("chunks ahead", lambda row: row["horizon_chunks"]),
        Column("first", lambda row: score_text(row["a"], _STYLE), True),
        Column("second", lambda row: score_text(row["b"], _STYLE), True),
        Column("difference", lambda row: difference_text(row["difference"], _STYLE, star=row["star"]), True),
        Column("95% interval", lambda row: interval_text(row["low"], row["high"], _STYLE), True),
    ]
    kinds = [(row["contrast"], row["interval"], row["instead"], row["reason"]) for row in rows]
    return Table(columns, rows, bootstrap_notes("Paired bootstrap over held-out prompts", kinds))


def conclusion_table(contrasts: "pd.DataFrame", metric: str) -> Table[Contrast]:
    """What an arm's states tell beyond each control: one row per arm, site and horizon.

    Args:
        contrasts: rows of `contrast_table`.
        metric: id of the metric.
    """
    chosen = contrasts[(contrasts.metric_id == metric) & contrasts.control.notna()]
    rows: list[Contrast] = []
    for (arm, site, horizon), group in chosen.groupby(["arm", "site", "horizon_chunks"], sort=False):
        rows.append(
            {"arm": arm, "site": site, "horizon": horizon, **dict(zip(group.control, group.verdict, strict=True))}
        )
    controls = list(dict.fromkeys(chosen.control))
    columns: list[Column[Contrast]] = [
        Column("arm", lambda row: row["arm"]),
        Column("site", lambda row: row["site"]),
        Column("chunks ahead", lambda row: row["horizon"]),
        *(Column(f"than {control}", _verdict_of(control)) for control in controls),
    ]
    notes = [
        f"By {metric.split(':')[0]}: better or worse where the 95 % interval of the difference excludes 0, else open."
    ]
    return Table(columns, rows, notes)


def _verdict_of(control: str) -> Callable[[Contrast], str]:
    return lambda row: str(row.get(control, "n/a"))


def spread_table(spread: "pd.DataFrame") -> Table[Contrast]:
    """How much probes depend on their seed, from rows of `seed_spread`."""
    rows: list[Contrast] = frame_rows(spread)
    columns: list[Column[Contrast]] = [
        Column("arm", lambda row: row["arm"]),
        Column("site", lambda row: row["site"]),
        Column("chunks ahead", lambda row: row["horizon"]),
        Column("metric", lambda row: str(row["metric_id"]).split(":")[0]),
        Column("mean", lambda row: score_text(row["mean"], _STYLE), True),
        Column("standard deviation", lambda row: score_text(row["spread_over_seeds"], _STYLE), True),
        Column("seeds", lambda row: row["seeds"], True),
    ]
    return Table(columns, rows, [])
