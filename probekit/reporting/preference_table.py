"""Choices between blind videos as a table: one row per model against the baseline, and the effect of the side."""

from typing import Final

from probekit.reporting.cells import NO_VALUE, STAR, interval_notes
from probekit.reporting.table import Column, Table, fields
from probekit.statistics.preference_estimate import PreferenceResult, PreferenceRow

SIDE: Final = "left side (order)"


def preference_table(result: PreferenceResult) -> Table[PreferenceRow]:
    """The table for readers and programs."""
    order = result.order._replace(name=SIDE)
    rows = [*result.models, order]
    columns: list[Column[PreferenceRow]] = [
        Column("chosen", lambda row: row.name),
        Column("over", lambda row: "right side" if row.name == SIDE else result.baseline),
        Column("won", lambda row: row.wins, True),
        Column("tied", lambda row: row.ties, True),
        Column("lost", lambda row: row.losses, True),
        Column("prompts", lambda row: row.prompts, True),
        Column("expected score", _score, True),
        Column(f"{100 * result.level:g}% interval", _interval, True),
        Column("log-worth", lambda row: row.log_worth, True),
        Column("standard error", lambda row: row.standard_error, True),
    ]
    return Table(columns, rows, _notes(result, rows), data=fields(PreferenceRow._fields))


def _score(row: PreferenceRow) -> str:
    return NO_VALUE if row.score is None else f"{row.score:.3f}{STAR if row.star else ''}"


def _interval(row: PreferenceRow) -> str:
    if row.score_low is None or row.score_high is None:
        return NO_VALUE
    return f"[{row.score_low:.3f}, {row.score_high:.3f}]"


def _notes(result: PreferenceResult, rows: list[PreferenceRow]) -> list[str]:
    sides = "; ".join(
        f"{name} left {left}, right {right} (p = {p_value:.2g})" for name, left, right, p_value in result.sides
    )
    return [
        f"{result.choices} choices. Expected score: chance to be chosen plus half that of a tie, without effect of "
        "sides; one half is no difference.",
        f"Bradley–Terry model with ties (Davidson 1970) and effect of the side (Davidson & Beaver 1977). Bootstrap "
        f"over prompts, {result.replicates} replicates, percentile interval; {STAR} the interval excludes one half.",
        *interval_notes([(row.name, row.interval, row.instead, row.reason) for row in rows]),
        f"Sides: {sides}. p: chance of a split at least as unequal if sides are drawn evenly.",
    ]
