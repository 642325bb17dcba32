"""One comparison as a table: columns for readers, columns for programs, and the notes below."""

from typing import Final

from probekit.reporting.cells import (
    coverage_text,
    difference_text,
    footnote,
    interval_notes,
    interval_text,
    level_text,
    n_prompts_text,
    not_run_text,
    quantity_text,
    score_text,
)
from probekit.reporting.comparison_record import ComparisonRecord, ComparisonRow, VideoCoverage
from probekit.reporting.table import Column, Table
from probekit.suites.registry import caution

CSV_DIGITS: Final = ".6f"


def comparison_table(record: ComparisonRecord) -> Table[ComparisonRow]:
    """The table of a comparison, scores in percent; aggregates stand out."""
    return Table(
        columns=_columns(record),
        rows=record.rows,
        notes=notes(record),
        banner=record.banner(),
        data=_data(record),
        digits=CSV_DIGITS,
        bold=lambda row: row.group == "aggregate",
        group=lambda row: row.group,
    )


def _columns(record: ComparisonRecord) -> list[Column[ComparisonRow]]:
    """Columns for readers; the method is named in each row only when there are several."""
    several = len(record.methods) > 1
    suite = record.settings.suite
    return [
        Column("dimension", lambda row: quantity_text(row.quantity, suite)),
        *([Column[ComparisonRow]("method", lambda row: row.method)] if several else []),
        Column(record.baseline, lambda row: score_text(row.baseline_mean), True),
        Column("method mean" if several else record.methods[0], lambda row: score_text(row.method_mean), True),
        Column("difference", lambda row: difference_text(row.difference, star=row.star), True),
        Column("SE", lambda row: score_text(row.standard_error), True),
        Column(f"{level_text(record)} interval", lambda row: interval_text(row.low, row.high), True),
        Column("prompts", n_prompts_text, True),
        Column("scored", _coverage_pair, True),
    ]


def _data(record: ComparisonRecord) -> list[Column[ComparisonRow]]:
    """Columns for programs: percent, star 0 or 1, the banner in every row."""
    return [
        Column("quantity", lambda row: row.quantity),
        Column("group", lambda row: row.group),
        Column("baseline", lambda row: record.baseline),
        Column("method", lambda row: row.method),
        Column("baseline_mean", lambda row: row.baseline_mean),
        Column("method_mean", lambda row: row.method_mean),
        Column("difference", lambda row: row.difference),
        Column("standard_error", lambda row: row.standard_error),
        Column("low", lambda row: row.low),
        Column("high", lambda row: row.high),
        Column("star", lambda row: row.star),
        Column("n_prompts", lambda row: row.n_prompts),
        Column("baseline_scored", lambda row: _scored(row.baseline_videos)),
        Column("baseline_planned", lambda row: _planned(row.baseline_videos)),
        Column("method_scored", lambda row: _scored(row.method_videos)),
        Column("method_planned", lambda row: _planned(row.method_videos)),
        Column("reason", lambda row: row.reason),
        Column("banner", lambda row: record.banner()),
        Column("interval", lambda row: row.interval),
        Column("instead", lambda row: row.instead),
    ]


def notes(record: ComparisonRecord) -> list[str]:
    """The lines under every table: how to read it, why values are absent, and what was not run."""
    suite = record.settings.suite
    lines = [*filter(None, [caution(suite)]), footnote(record)]
    lines += interval_notes(
        [(quantity_text(row.quantity, suite), row.interval, row.instead, row.reason) for row in record.rows]
    )
    if record.not_run:
        reasons = {row.dimension: row.reason for row in record.not_run}
        lines.append(f"{not_run_text(reasons, 'the reasons are in comparison.json')}.")
    return [" ".join(line.split()) for line in lines]


def _coverage_pair(row: ComparisonRow) -> str:
    return " : ".join(dict.fromkeys(coverage_text(videos) for videos in (row.baseline_videos, row.method_videos)))


def _scored(videos: VideoCoverage | None) -> int | None:
    return None if videos is None else videos.scored


def _planned(videos: VideoCoverage | None) -> int | None:
    return None if videos is None else videos.planned
