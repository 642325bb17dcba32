"""The planning gap as a table: how far each arm and control stays behind the best readout of the true past."""

from collections.abc import Sequence
from typing import Final

from probekit.probing.planning_gap import BEST, DECIBELS, PlanningGap
from probekit.reporting.cells import bootstrap_notes, difference_text, interval_text, score_text
from probekit.reporting.table import Column, Table

_STYLE: Final = ".3f"


def planning_table(gaps: Sequence[PlanningGap]) -> Table[PlanningGap]:
    """One row per gap; facts that the caption does not state come first."""
    rows = sorted(gaps, key=lambda one: one.stated)
    columns: list[Column[PlanningGap]] = [
        Column("contrast", lambda row: row.contrast),
        Column("read from", lambda row: f"{row.source} {row.site}".strip()),
        Column("fact", lambda row: row.fact),
        Column("stated", lambda row: "yes" if row.stated else "no"),
        Column("chunks ahead", lambda row: row.horizon),
        Column("first", lambda row: score_text(row.estimate.a, _STYLE), True),
        Column("second", lambda row: score_text(row.estimate.b, _STYLE), True),
        Column("gap", _gap, True),
        Column("unit", lambda row: row.unit),
        Column("95% interval", lambda row: interval_text(row.estimate.low, row.estimate.high, _STYLE), True),
        Column("prompts", lambda row: row.estimate.n_prompts, True),
    ]
    kinds = [
        (f"{row.contrast}, {row.fact}", row.estimate.interval, row.estimate.instead, row.estimate.reason)
        for row in rows
    ]
    notes = [
        f"{BEST}: exact posterior of the sprite given all true frames so far, and that it is in view again. Errors are "
        "expected under that posterior, so no gap to it is negative but by rounding.",
        f"Nats: cross entropy, and its difference. {DECIBELS}: 10·log10 of the mean squared error, and of the ratio.",
        "stated: whether the caption says it. Identity and pillar are seen in the first frame: their floor is 0 nats.",
        *bootstrap_notes("Paired bootstrap over held-out prompts", kinds),
    ]
    return Table(columns, rows, notes)


def _gap(row: PlanningGap) -> str:
    return difference_text(row.estimate.difference, _STYLE, star=row.estimate.star)
