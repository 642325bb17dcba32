"""Both arms' scores beside the paper's, quantity by quantity: tables 6, 8, 9 and 15."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from probekit.evaluation.aggregation import COMPOSITES
from probekit.reporting.cells import difference_text, interval_notes, interval_text, quantity_text, score_text
from probekit.reporting.comparison_record import ComparisonRecord, ComparisonRow
from probekit.reporting.paper_reference import paper_rows, printed
from probekit.reporting.table import Column, Table
from trainer.reproduction.paper_systems import NAMES, WITH
from trainer.reproduction.standing import Standing, direction
from trainer.reproduction.targets import LONG, SHORT, SYSTEMS

PaperPair = tuple[float | None, float | None]
"""What the paper prints without and with foresight."""

_KEYS: Final = ("horizon", "method")


class BesideRow(NamedTuple):
    """One quantity of a base system at a horizon.

    Attributes:
        group: system and horizon.
        name: quantity for readers.
        ours: comparison of ours; None where ours has no such quantity, or was not run.
        paper: what the paper prints.
    """

    group: str
    name: str
    ours: ComparisonRow | None
    paper: PaperPair

    @property
    def paper_difference(self) -> float | None:
        """What foresight adds in the paper."""
        without, with_it = self.paper
        return None if without is None or with_it is None else with_it - without


def beside_table(
    rows: Sequence[BesideRow], how: Standing, notes: Sequence[str], banner: str | None
) -> Table[BesideRow]:
    """The table, ours to the left.

    Args:
        rows: rows in order.
        how: how ours stands beside the paper's.
        notes: lines below it.
        banner: line above it.
    """
    columns: list[Column[BesideRow]] = [
        Column("videos", lambda row: row.group),
        Column("quantity", lambda row: row.name),
        Column("without", lambda row: _mean(row, "baseline"), True),
        Column("with foresight", lambda row: _mean(row, "method"), True),
        Column("difference", lambda row: _difference(row), True),
        Column("95% interval", lambda row: _interval(row), True),
        Column("prompts", lambda row: "" if row.ours is None else str(row.ours.n_prompts), True),
        Column(f"paper: without ({how.score})", lambda row: _printed(row.paper[0]), True),
        Column(f"paper: with ({how.score})", lambda row: _printed(row.paper[1]), True),
        Column(f"paper: difference ({how.difference})", lambda row: _gain(row), True),
        Column("direction", lambda row: direction(row.ours, row.paper_difference)),
    ]
    ours = [(f"{row.group} {row.name}", row.ours) for row in rows if row.ours is not None]
    kinds = [(name, one.interval, one.instead, one.reason) for name, one in ours]
    return Table(
        columns, rows, [how.sentence, *interval_notes(kinds), *notes], banner, data=_DATA, digits=".6f",
        group=lambda row: row.group,
    )  # fmt: skip


def _mean(row: BesideRow, side: str) -> str:
    if row.ours is None:
        return ""
    return score_text(row.ours.baseline_mean if side == "baseline" else row.ours.method_mean)


def _difference(row: BesideRow) -> str:
    return "" if row.ours is None else difference_text(row.ours.difference, star=row.ours.star)


def _interval(row: BesideRow) -> str:
    return "" if row.ours is None else interval_text(row.ours.low, row.ours.high)


def _printed(value: float | None) -> str:
    return "" if value is None else score_text(value)


def _gain(row: BesideRow) -> str:
    return "" if row.paper_difference is None else difference_text(row.paper_difference, star=False)


_DATA: Final[Sequence[Column[BesideRow]]] = (
    Column("videos", lambda row: row.group),
    Column("quantity", lambda row: row.name),
    Column("without", lambda row: None if row.ours is None else row.ours.baseline_mean),
    Column("with", lambda row: None if row.ours is None else row.ours.method_mean),
    Column("difference", lambda row: None if row.ours is None else row.ours.difference),
    Column("low", lambda row: None if row.ours is None else row.ours.low),
    Column("high", lambda row: None if row.ours is None else row.ours.high),
    Column("n_prompts", lambda row: None if row.ours is None else row.ours.n_prompts),
    Column("paper_without", lambda row: row.paper[0]),
    Column("paper_with", lambda row: row.paper[1]),
    Column("paper_difference", lambda row: row.paper_difference),
)


def _of_quantity(record: ComparisonRecord | None, quantity: str) -> ComparisonRow | None:
    rows = () if record is None else record.rows
    return next((row for row in rows if row.quantity == quantity), None)


def dimension_rows(table: int, records: Mapping[str, ComparisonRecord]) -> Iterator[BesideRow]:
    """Tables 8 and 9: the paper's columns at each horizon, then the dimensions of the group that only ours has.

    Args:
        table: number of the printed table.
        records: comparisons by horizon, as far as they are there.
    """
    printed_rows = paper_rows(table)
    columns = [name for name in printed_rows[0] if name not in _KEYS]
    group = columns[-1]  # the aggregate, after which the group is called
    for horizon in (SHORT, LONG):
        record = records.get(horizon)
        pair = [row for row in printed_rows if row["horizon"] == horizon]
        own = [row.quantity for row in (record.rows if record else ()) if row.group == group]
        for name in dict.fromkeys((*columns[:-1], *own, group)):
            without, with_it = (printed(row.get(name, "")) for row in pair)
            yield BesideRow(horizon, _words(name, record), _of_quantity(record, name), (without, with_it))


def _words(quantity: str, record: ComparisonRecord | None) -> str:
    return quantity_text(quantity, "" if record is None else record.settings.suite)


def horizon_rows(records: Mapping[tuple[str, str], ComparisonRecord]) -> Iterator[BesideRow]:
    """Table 6: consistencies of each base system at both horizons.

    Args:
        records: comparisons by system and horizon, as far as they are there.
    """
    by_method = {row["method"]: row for row in paper_rows(6)}
    names = [name for name in next(iter(by_method.values())) if name != "method"]
    for system in SYSTEMS:
        pair = by_method[NAMES[system]], by_method[NAMES[system] + WITH]
        for horizon in (SHORT, LONG):
            record = records.get((system, horizon))
            for column in (name for name in names if name.endswith(f"_{horizon}")):
                quantity = column.removesuffix(f"_{horizon}")
                paper = printed(pair[0][column]), printed(pair[1][column])
                ours = _of_quantity(record, quantity)
                yield BesideRow(f"{NAMES[system]}, {horizon}", _words(quantity, record), ours, paper)


def aggregate_rows(record: ComparisonRecord) -> Iterator[BesideRow]:
    """Table 15: the three aggregates, whose numbers in the paper are lost."""
    for name in COMPOSITES:
        yield BesideRow(record.settings.horizon, _words(name, record), _of_quantity(record, name), (None, None))
