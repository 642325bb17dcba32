"""What the paper prints for a claim, from its tables as data; nothing is typed here."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from probekit.reporting.cells import difference_text, score_text
from probekit.reporting.paper_reference import paper_rows, printed
from trainer.claims.kinds import CountedCost, Kind, LongerGains, MeasuredCost, Pairs, TotalUp
from trainer.config.sweep import find_sweep, load_sweep
from trainer.reproduction.paper_systems import NAMES, WITH
from trainer.reproduction.targets import CHUNKWISE, LONG, SHORT


class PaperNumber(NamedTuple):
    """A printed difference, in the direction of a claim.

    Attributes:
        name: what it is a difference in; empty where the claim says it.
        first: printed number that is claimed to be the larger one.
        second: the other one.
        decimals: digits behind the point, as printed.
    """

    name: str
    first: float
    second: float
    decimals: int = 2

    @property
    def difference(self) -> float:
        """First minus second, without what subtraction adds beyond the printed digits."""
        return round(self.first - self.second, self.decimals)

    def text(self) -> str:
        """The pair and its difference."""
        pair = f"{score_text(self.first)} against {score_text(self.second)}"
        return f"{self.name}{' ' if self.name else ''}{pair} ({difference_text(self.difference, star=False)})"


def paper_numbers(kind: Kind) -> list[PaperNumber]:
    """The printed differences of a claim, in the order of its effects; none where the paper prints none."""
    match kind:
        case TotalUp(systems):
            return [_total(system, named=len(systems) > 1) for system in systems]
        case LongerGains():
            return [_longer(dimension) for dimension in consistencies()]
        case Pairs(table, pairs):
            return list(_pairs(table, pairs))
    return []


def paper_text(kind: Kind) -> str:
    """What the paper prints, for a reader."""
    if isinstance(kind, CountedCost | MeasuredCost):
        return f"+{paper_overhead()} %"
    numbers = paper_numbers(kind)
    return "; ".join(number.text() for number in numbers) if numbers else "no number printed"


def paper_overhead() -> float:
    """Overhead of a cycle in percent.

    Raises:
        ValueError: if the packaged table has lost it.
    """
    cycle = next(row for row in paper_rows(7) if row["step_type"].startswith("Per-cycle"))
    found = printed(cycle["overhead_percent"])
    if found is None:
        raise ValueError("table 7 prints no overhead")
    return found


def _total(system: str, named: bool) -> PaperNumber:
    totals = {row["model"]: float(row["total"]) for row in paper_rows(5)}
    name = NAMES[system]
    return PaperNumber(name if named else "", totals[name + WITH], totals[name])


def consistencies() -> list[str]:
    """The dimensions that table 6 prints at both horizons."""
    return [name.removesuffix(f"_{LONG}") for name in paper_rows(6)[0] if name.endswith(f"_{LONG}")]


def _longer(dimension: str) -> PaperNumber:
    """Gain at 30 s against gain at 5 s, chunk-wise."""
    by_method = {row["method"]: row for row in paper_rows(6)}
    without, with_it = by_method[NAMES[CHUNKWISE]], by_method[NAMES[CHUNKWISE] + WITH]
    long, short = (
        round(float(with_it[f"{dimension}_{horizon}"]) - float(without[f"{dimension}_{horizon}"]), 2)
        for horizon in (LONG, SHORT)
    )
    return PaperNumber(dimension.replace("_", " "), long, short)


def _pairs(table: str, pairs: Sequence[tuple[str, str]]) -> Iterator[PaperNumber]:
    rows = {row.name: row for row in load_sweep(find_sweep(table)).rows}
    for first, second in pairs:
        ours, other = rows[first], rows[second]
        if ours.paper is not None and other.paper is not None:
            yield PaperNumber(f"{ours.label} and {other.label}:", ours.paper.total, other.paper.total)
