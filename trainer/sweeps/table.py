"""The table of a sweep: scores of each row, its Total against the first row's, and what the paper prints."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from probekit.evaluation.aggregation import COMPOSITES
from probekit.reporting.cells import difference_text, interval_notes, interval_text, score_text
from probekit.reporting.comparison_record import ComparisonRecord, ComparisonRow
from probekit.reporting.table import Column, Table
from trainer.config.sweep import PaperScores, SweepConfig

_TOTAL: Final = "total"

FIRST_THERE: Final = "the first's Total there"


class SweepLine(NamedTuple):
    """One row of the table in percent.

    Attributes:
        label: text of the row.
        quality: mean of the row; None where it could not be scored, as the next two.
        total: comparison of the row's Total with that of the first; None for the first.
        paper: what the paper prints for the row; None where it prints nothing.
        paper_difference: its Total minus that of the first row.
    """

    label: str
    quality: float | None
    semantic: float | None
    mean_total: float | None
    total: ComparisonRow | None
    paper: PaperScores | None
    paper_difference: float | None


def sweep_table(config: SweepConfig, record: ComparisonRecord, banner: str | None = None) -> Table[SweepLine]:
    """Scores of each row, the difference of its Total with interval, and the paper's numbers.

    Args:
        config: rows in the order in which the record compares them.
        record: comparison of the rows with the first.
        banner: line above the table; None for the record's own.
    """
    columns: list[Column[SweepLine]] = [
        Column("row", lambda line: line.label),
        Column("Quality", lambda line: score_text(line.quality), True),
        Column("Semantic", lambda line: score_text(line.semantic), True),
        Column("Total", lambda line: score_text(line.mean_total), True),
        Column("Total against the first", lambda line: _difference(line.total), True),
        Column("95% interval", lambda line: _interval(line.total), True),
    ]
    note = "Scores and differences are over the prompts that a row shares with the first one, dimension by dimension."
    if len({row.baseline_mean for row in record.rows if row.quantity == _TOTAL}) > 1:
        columns.insert(-2, Column(FIRST_THERE, lambda line: _first_there(line.total), True))
        note += (
            " These differ from row to row: the first row's Total on them stands beside each, and its own line is on "
            "those of the last row."
        )
    if any(row.paper for row in config.rows):
        columns += _PAPER
    lines = list(sweep_lines(config, record))
    kinds = [(line.label, line.total.interval, line.total.instead, line.total.reason) for line in lines if line.total]
    return Table(columns, lines, [note, *interval_notes(kinds)], banner or record.banner(), data=_DATA, digits=".6f")


def sweep_lines(config: SweepConfig, record: ComparisonRecord) -> Iterator[SweepLine]:
    """The rows with their scores; a record's models stand in the order of the rows."""
    first = {row.quantity: row.baseline_mean for row in record.rows}
    base = config.rows[0].paper
    for number, (row, model) in enumerate(zip(config.rows, record.models(), strict=True)):
        found = {entry.quantity: entry for entry in record.rows if entry.method == model}
        means = first if number == 0 else {name: entry.method_mean for name, entry in found.items()}
        quality, semantic, total = (means.get(name) for name in COMPOSITES)
        gain = row.paper.total - base.total if number and row.paper and base else None
        yield SweepLine(row.label, quality, semantic, total, found.get(_TOTAL), row.paper, gain)


def _ends(line: SweepLine) -> Sequence[float | None]:
    return (None, None, None) if line.total is None else (line.total.difference, line.total.low, line.total.high)


def _paper(line: SweepLine) -> Sequence[float | None]:
    paper = line.paper
    return (None, None, None) if paper is None else (paper.quality, paper.semantic, paper.total)


_DATA: Final[Sequence[Column[SweepLine]]] = (
    Column("row", lambda line: line.label),
    Column("quality", lambda line: line.quality),
    Column("semantic", lambda line: line.semantic),
    Column("total", lambda line: line.mean_total),
    Column("difference", lambda line: _ends(line)[0]),
    Column("low", lambda line: _ends(line)[1]),
    Column("high", lambda line: _ends(line)[2]),
    Column("n_prompts", lambda line: None if line.total is None else line.total.n_prompts),
    Column("paper_quality", lambda line: _paper(line)[0]),
    Column("paper_semantic", lambda line: _paper(line)[1]),
    Column("paper_total", lambda line: _paper(line)[2]),
    Column("paper_difference", lambda line: line.paper_difference),
)


_PAPER: Final[Sequence[Column[SweepLine]]] = (
    Column("paper: Quality", lambda line: _printed(_paper(line)[0]), True),
    Column("paper: Semantic", lambda line: _printed(_paper(line)[1]), True),
    Column("paper: Total", lambda line: _printed(_paper(line)[2]), True),
    Column("paper: Total against the first", lambda line: _printed_difference(line.paper_difference), True),
)


def _printed(value: float | None) -> str:
    return "" if value is None else score_text(value)


def _printed_difference(value: float | None) -> str:
    return "" if value is None else difference_text(value, star=False)


def _difference(total: ComparisonRow | None) -> str:
    return "" if total is None else difference_text(total.difference, star=total.star)


def _first_there(total: ComparisonRow | None) -> str:
    return "" if total is None else score_text(total.baseline_mean)


def _interval(total: ComparisonRow | None) -> str:
    return "" if total is None else interval_text(total.low, total.high)
