"""The page of a sweep: its rows against the first, every pair of them, and what training took."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from probekit.reporting.comparison_record import ComparisonRecord
from probekit.reporting.pair_table import PairRow
from probekit.reporting.table import Column, Table
from trainer.config.sweep import SweepConfig, SweepSuite
from trainer.sweeps.table import sweep_table


class RowCost(NamedTuple):
    """What the training of a row took.

    Attributes:
        label: text of the row.
        runs: runs that are finished.
        planned: runs that the sweep asks for.
        minutes: mean wall time of a run's trainings, by their logs; None without a finished run.
        core_minutes: mean time of cores; None where a log does not have it.
    """

    label: str
    runs: int
    planned: int
    minutes: float | None
    core_minutes: float | None = None


def sweep_page(
    config: SweepConfig,
    scored: SweepSuite,
    record: ComparisonRecord,
    costs: Sequence[RowCost],
    pairs: Table[PairRow],
) -> str:
    """The tables of a suite under their title, in Markdown.

    Args:
        config: rows that have a finished run.
        scored: suite.
        record: comparison of the rows.
        costs: what each row of the whole sweep took.
        pairs: every pair of rows.
    """
    parts = [
        f"# {config.title}",
        " ".join(_about(config, scored, costs)),
        sweep_table(config, record).markdown(),
    ]
    if len(pairs.rows) > 1:  # a single one is the table above
        parts += ["## Every pair of rows", pairs.markdown()]
    parts += ["## What training took", _cost_table(costs).markdown()]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _about(config: SweepConfig, scored: SweepSuite, costs: Sequence[RowCost]) -> Iterator[str]:
    yield f"After {config.source}. {scored.prompts} prompts of {scored.suite}."
    found = [cost for cost in costs if cost.runs]
    if max(cost.runs for cost in found) > 1:
        yield f"Training runs: {', '.join(f'{cost.label} {cost.runs}' for cost in found)}."
    if len({cost.runs for cost in found}) > 1:
        yield "A row with fewer runs than another is compared with as many of the other's."
    missing = [f"{cost.label} {cost.planned - cost.runs}" for cost in costs if cost.runs < cost.planned]
    if missing:
        yield f"**Runs that are not finished: {', '.join(missing)}.** `trainer sweep` goes on with them."


def _cost_table(costs: Sequence[RowCost]) -> Table[RowCost]:
    columns: list[Column[RowCost]] = [
        Column("row", lambda cost: cost.label),
        Column("runs", lambda cost: cost.runs, True),
        Column("of", lambda cost: cost.planned, True),
        Column("minutes of a run", lambda cost: _minutes(cost.minutes), True),
        Column("core-minutes of a run", lambda cost: _minutes(cost.core_minutes), True),
    ]
    note = (
        "Of the trainings alone, by their logs. Minutes are wall time, which grows beside other work; core-minutes are "
        "the time of all cores of a run's main process, which does not."
    )
    return Table(columns, costs, [note])


def _minutes(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
