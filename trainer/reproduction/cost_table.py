"""Cost of foresight as a table: seconds of each part where they were measured, operations, and the paper's overhead."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from probekit.reporting.cells import score_text
from probekit.reporting.paper_reference import paper_rows, printed
from probekit.reporting.table import Column, Table
from trainer.planning.cost_report import CostRecord

_PAPER_TABLE: Final = 7
_CYCLE: Final = "cycle"


class CostRow(NamedTuple):
    """One part of a training cycle.

    Attributes:
        part: name of the part and its unit.
        without: seconds without foresight; None where nothing was measured.
        with_it: seconds with foresight.
        overhead: percent that foresight adds.
        paper: percent that the paper prints.
    """

    part: str
    without: float | None
    with_it: float | None
    overhead: float | None
    paper: float | None


def cost_table(record: CostRecord, notes: Sequence[str] = ()) -> Table[CostRow]:
    """Measured seconds first, then the operations by both accountings.

    Args:
        record: stored cost.
        notes: further lines below the table.
    """
    columns: list[Column[CostRow]] = [
        Column("part", lambda row: row.part),
        Column("without", lambda row: _blank(row.without, ".3f"), True),
        Column("with foresight", lambda row: _blank(row.with_it, ".3f"), True),
        Column("overhead, %", lambda row: _blank(row.overhead, "+.1f"), True),
        Column("paper: overhead, %", lambda row: _blank(row.paper, "+.1f"), True),
    ]
    about = [
        "A share of time depends on sizes and machine: the paper's is of Wan on H100.",
        f"Made by: {record.command}.",
    ]
    if record.measured is None:
        about.append("Seconds were not measured here; trainer cost --measure does it.")
    else:
        about.append(f"Measured on {record.measured.hardware}, {record.measured.cycles} cycles.")
    return Table(columns, list(_rows(record)), [*about, *notes])


def _rows(record: CostRecord) -> Iterator[CostRow]:
    printed_rows = {row["step_type"].split(" ")[0]: row for row in paper_rows(_PAPER_TABLE)}
    for part, (without, with_it) in record.measured.seconds.items() if record.measured else ():
        paper = printed_rows.get("Per-cycle" if part == _CYCLE else part.split(" ")[0].capitalize())
        change = 100 * (with_it / without - 1) if without else None
        yield CostRow(
            f"{part}, seconds", without, with_it, change, printed(paper["overhead_percent"]) if paper else None
        )
    cycle = printed(printed_rows["Per-cycle"]["overhead_percent"])
    for name, share in record.overhead.items():
        yield CostRow(f"{_CYCLE}, operations as {name}", None, None, 100 * share, cycle)


def _blank(value: float | None, style: str) -> str:
    return "" if value is None else score_text(value, style)
