"""Scores of published readouts as a table: one row per metric for programs, one row per readout for readers."""

from collections.abc import Sequence
from typing import Final

from probekit.probing.published_readouts import ReadoutRow
from probekit.reporting.cells import NO_VALUE, score_text
from probekit.reporting.table import Column, Table, fields

Readout = dict[str, ReadoutRow]
"""Scores of one readout, by metric id."""

_SIZES: Final[Sequence[Column[Readout]]] = (
    Column("size (px)", lambda scores: f"{_any(scores).width}x{_any(scores).height}"),
    Column("future frame (px)", lambda scores: f"{_any(scores).future_width}x{_any(scores).future_height}"),
    Column("resampled", lambda scores: _any(scores).resize),
)


def readout_rows(rows: Sequence[ReadoutRow]) -> Table[ReadoutRow]:
    """The table for programs: all fields of all rows."""
    return Table(fields(ReadoutRow._fields), rows)


def readout_table(rows: Sequence[ReadoutRow]) -> Table[Readout]:
    """The table for readers: metrics with units, sizes, resampling; metric ids and reasons stand below it."""
    metrics = {row.metric_id: row for row in rows}
    images: dict[tuple[str, int, str], Readout] = {}
    for row in rows:
        images.setdefault((row.prompt_id, row.horizon_chunks, row.readout), {})[row.metric_id] = row
    columns: list[Column[Readout]] = [
        Column("prompt", lambda scores: _any(scores).prompt),
        Column("chunks ahead", lambda scores: _any(scores).horizon_chunks),
        Column("readout", lambda scores: _any(scores).readout),
        *(_metric(row) for row in metrics.values()),
        *_SIZES,
    ]
    notes = [*_reasons(rows), f"Metrics, in the order of the columns: {', '.join(metrics)}."]
    return Table(columns, list(images.values()), notes)


def _reasons(rows: Sequence[ReadoutRow]) -> list[str]:
    """Why values are absent, one line per reason."""
    metrics: dict[str, list[str]] = {}
    for row in rows:
        if row.value is None:
            metrics.setdefault(row.reason or "not scored", []).append(row.metric)
    return [f"{NO_VALUE} ({', '.join(dict.fromkeys(names))}): {reason}." for reason, names in metrics.items()]


def _metric(metric: ReadoutRow) -> Column[Readout]:
    heading = metric.metric if metric.unit == "1" else f"{metric.metric} ({metric.unit})"
    style = ".2f" if metric.unit == "dB" else ".4f"
    return Column(heading, lambda scores: _value(scores.get(metric.metric_id), style), True)


def _value(row: ReadoutRow | None, style: str) -> str:
    return "" if row is None else score_text(row.value, style)


def _any(scores: Readout) -> ReadoutRow:
    return next(iter(scores.values()))
