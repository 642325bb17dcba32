"""The table of all modules: one row a module and its survivors, in a JSON file that a Markdown file is made from."""

import json
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks.mutants.session import Outcome
from probekit.atomic_files import write_json, write_text

HEADER: Final = """# Mutation tests

`make mutants MODULE=probekit.statistics.intervals` repeats the row of one module; `make mutants` repeats all of them,
which takes a night. cosmic-ray changes a module in one place at a time; a change is *killed* if a test of the module
fails, or takes five times as long. What is changed, and what is not, is in `benchmarks/mutants/faults.py`. The share is
that of the changes that are not equivalent. Where "n of m" stands, n of the m changes were drawn at random by a seed
that the module names (`--sample`), and the share is an estimate.

"""
COLUMNS: Final = ("module", "changes", "killed", "timeouts", "survived", "equivalent", "accepted", "open", "share")


class Survivor(NamedTuple):
    """A change that no test noticed, and why that is so, if it is known."""

    line: int
    before: str
    after: str
    reason: str

    @property
    def kind(self) -> str:
        """`equivalent`, `accepted` or `open`."""
        return self.reason.partition(":")[0] or "open"


class Row(NamedTuple):
    """What became of the changes of one module.

    Attributes:
        module: name by which the module is imported.
        file: its file, relative to the repository.
        total: number of changes that can be made.
        changes: number of those that were tested; fewer where a sample was drawn.
        killed: number of those that a test noticed.
        timeouts: number of those whose tests took too long.
        survivors: the others.
    """

    module: str
    file: str
    total: int
    changes: int
    killed: int
    timeouts: int
    survivors: tuple[Survivor, ...]

    def count(self, kind: str) -> int:
        """Survivors of a kind."""
        return sum(survivor.kind == kind for survivor in self.survivors)

    @property
    def share(self) -> float:
        """Percent of the changes that are not equivalent which were noticed; 100 if there is none."""
        possible = self.changes - self.count("equivalent")
        return 100.0 * (self.killed + self.timeouts) / possible if possible else 100.0

    def cells(self) -> tuple[str, ...]:
        """Cells of the table."""
        tested = str(self.changes) if self.changes == self.total else f"{self.changes} of {self.total}"
        counts = (self.killed, self.timeouts, len(self.survivors))
        kinds = (self.count(kind) for kind in ("equivalent", "accepted", "open"))
        return f"`{self.module}`", tested, *(str(count) for count in (*counts, *kinds)), f"{self.share:.1f} %"


def row_of(module: str, file: Path, total: int, outcomes: list[Outcome], reasons: list[str]) -> Row:
    """Row of a module.

    Args:
        module: its name.
        file: its file, relative to the repository.
        total: number of changes that can be made.
        outcomes: what became of its changes.
        reasons: why each survives, in the same order; empty texts where it is not known.
    """
    survivors = tuple(
        Survivor(outcome.change.line, outcome.change.before, outcome.change.after, reason)
        for outcome, reason in zip(outcomes, reasons, strict=True)
        if outcome.result == "survived"
    )
    results = [outcome.result for outcome in outcomes]
    counts = (len(results), results.count("killed"), results.count("timeout"))
    return Row(module, file.as_posix(), total, *counts, survivors)


def add_row(row: Row, markdown: Path) -> None:
    """Put a row in place of an earlier one of its module; other rows stay."""
    stored = markdown.with_suffix(".json")
    rows = {found.module: found for found in read_rows(stored)} | {row.module: row}
    ordered = [rows[name] for name in sorted(rows)]
    write_json(stored, [_as_json(found) for found in ordered])
    write_text(markdown, HEADER + table(ordered) + "".join(survivors_text(found) for found in ordered))


def read_rows(path: Path) -> list[Row]:
    """Rows of a stored table; none if there is no such file."""
    if not path.exists():
        return []
    return [_from_json(found) for found in json.loads(path.read_text(encoding="utf-8"))]


def table(rows: list[Row]) -> str:
    """Rows as Markdown."""
    rule = "| --- |" + " ---: |" * (len(COLUMNS) - 1)
    lines = [f"| {' | '.join(COLUMNS)} |", rule, *(f"| {' | '.join(row.cells())} |" for row in rows)]
    return "\n".join(lines) + "\n"


def survivors_text(row: Row) -> str:
    """Survivors of a module as Markdown, each with its change and its reason."""
    if not row.survivors:
        return ""
    lines = [
        f"- {row.file}:{survivor.line}: `{survivor.before}` → `{survivor.after}`: {survivor.reason or 'open'}\n"
        for survivor in row.survivors
    ]
    return f"\n## {row.module}\n\n" + "".join(lines)


def _as_json(row: Row) -> dict[str, Any]:
    return {**row._asdict(), "survivors": [survivor._asdict() for survivor in row.survivors]}


def _from_json(found: dict[str, Any]) -> Row:
    return Row(**{**found, "survivors": tuple(Survivor(**survivor) for survivor in found["survivors"])})
