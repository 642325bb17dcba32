"""One comparison as CSV, Markdown, LaTeX and a terminal table; every writer prints the same rows."""

import csv
import io
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from probekit.reporting.cells import (
    NO_VALUE,
    STAR,
    coverage_text,
    difference_text,
    footnote,
    interval_text,
    level_text,
    n_prompts_text,
    quantity_text,
    score_text,
)
from probekit.reporting.comparison_record import ComparisonRecord, ComparisonRow
from probekit.reporting.markup import latex_line, latex_text, markdown_line, markdown_text

if TYPE_CHECKING:
    from rich.table import Table

CSV_DECIMALS = 6

CSV_COLUMNS = (
    "quantity", "group", "baseline", "method", "baseline_mean", "method_mean", "difference", "standard_error",
    "low", "high", "star", "n_prompts", "baseline_scored", "baseline_planned", "method_scored", "method_planned",
    "reason", "banner",
)  # fmt: skip


class TextColumn(NamedTuple):
    """One column of a table for readers."""

    heading: str
    numeric: bool
    cell: Callable[[ComparisonRow], str]


def text_columns(record: ComparisonRecord) -> list[TextColumn]:
    """The columns of every table for readers; the method is named in each row only when there are several."""
    several = len(record.methods) > 1
    suite = record.settings.suite
    return [
        TextColumn("dimension", False, lambda row: quantity_text(row.quantity, suite)),
        *([TextColumn("method", False, lambda row: row.method)] if several else []),
        TextColumn(record.baseline, True, lambda row: score_text(row.baseline_mean)),
        TextColumn("method mean" if several else record.methods[0], True, lambda row: score_text(row.method_mean)),
        TextColumn("difference", True, lambda row: difference_text(row.difference) + (STAR if row.star else "")),
        TextColumn("SE", True, lambda row: score_text(row.standard_error)),
        TextColumn(f"{level_text(record)} interval", True, interval_text),
        TextColumn("prompts", True, n_prompts_text),
        TextColumn("scored", True, _coverage_pair),
    ]


def notes(record: ComparisonRecord) -> list[str]:
    """The lines under every table: how to read it, why values are absent, and what was not run."""
    suite = record.settings.suite
    lines = [footnote(record)]
    reasons: dict[str, list[str]] = {}
    for row in record.rows:
        if row.reason is not None:
            reasons.setdefault(row.reason, []).append(quantity_text(row.quantity, suite))
    lines += [f"{NO_VALUE} ({', '.join(dict.fromkeys(names))}): {reason}." for reason, names in reasons.items()]
    lines += [f"Not run: {quantity_text(row.dimension, suite)}: {row.reason}." for row in record.not_run]
    return [" ".join(line.split()) for line in lines]


def to_csv(record: ComparisonRecord) -> str:
    """Rows for programs: plain numbers in percent (6 decimals), empty where null, star 0 or 1, banner in every row."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for row in record.rows:
        means = (row.baseline_mean, row.method_mean, row.difference, row.standard_error, row.low, row.high)
        videos = (row.baseline_videos, row.method_videos)
        counts = [part for pair in videos for part in ((pair.scored, pair.planned) if pair else ("", ""))]
        names = (row.quantity, row.group, record.baseline, row.method)
        tail = (row.reason or "", record.banner() or "")
        writer.writerow([*names, *map(_csv_number, means), int(row.star), row.n_prompts, *counts, *tail])
    return text.getvalue()


def to_markdown(record: ComparisonRecord) -> str:
    """A Markdown table with its notes; aggregates in bold."""
    columns = text_columns(record)
    lines = [f"**{markdown_text(banner)}**\n"] if (banner := record.banner()) else []
    lines.append(markdown_line([markdown_text(column.heading) for column in columns]))
    lines.append(markdown_line(["---:" if column.numeric else "---" for column in columns]))
    for row in record.rows:
        cells = [markdown_text(column.cell(row)) for column in columns]
        lines.append(markdown_line([f"**{cell}**" if cell else "" for cell in cells] if _bold(row) else cells))
    return "\n".join([*lines, "", *(f"{markdown_text(note)}  " for note in notes(record))]) + "\n"


def to_latex(record: ComparisonRecord) -> str:
    r"""A booktabs ``tabular`` (needs ``\usepackage{booktabs}``) with its notes as comments."""
    columns = text_columns(record)
    layout = "".join("r" if column.numeric else "l" for column in columns)
    lines = [f"% {note}" for note in notes(record)]
    lines += [rf"\begin{{tabular}}{{{layout}}}", r"\toprule"]
    if banner := record.banner():
        lines.append(rf"\multicolumn{{{len(columns)}}}{{l}}{{\textbf{{{latex_text(banner)}}}}} \\ \midrule")
    lines += [latex_line([latex_text(column.heading) for column in columns]), r"\midrule"]
    for index, row in enumerate(record.rows):
        if index > 0 and row.group != record.rows[index - 1].group:
            lines.append(r"\midrule")
        lines.append(latex_line([_latex_cell(column, row) for column in columns]))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def to_rich(record: ComparisonRecord) -> "Table":
    """A table for the terminal."""
    from rich.markup import escape
    from rich.table import Table

    caption = "\n".join(notes(record))
    table = Table(title=escape(record.banner() or ""), caption=escape(caption), caption_justify="left")
    columns = text_columns(record)
    for column in columns:
        table.add_column(escape(column.heading), justify="right" if column.numeric else "left")
    for row in record.rows:
        table.add_row(*(escape(column.cell(row)) for column in columns), style="bold" if _bold(row) else None)
    return table


def _coverage_pair(row: ComparisonRow) -> str:
    return " : ".join(dict.fromkeys(coverage_text(videos) for videos in (row.baseline_videos, row.method_videos)))


def _bold(row: ComparisonRow) -> bool:
    return row.group == "aggregate"


def _csv_number(value: float | None) -> str:
    return "" if value is None else f"{value:.{CSV_DECIMALS}f}"


def _latex_cell(column: TextColumn, row: ComparisonRow) -> str:
    text = column.cell(row)
    if not column.numeric:
        return rf"\textbf{{{latex_text(text)}}}" if _bold(row) else latex_text(text)
    if text in ("", NO_VALUE):
        return text
    # Mathematics mode turns hyphens into minus signs; the star must not become an operator.
    return f"${text.replace(STAR, f'^{{{STAR}}}')}$"
