"""Evidence from scores: differences of Totals, of rows of a sweep, and of what long videos lose."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Final, NamedTuple

from probekit.errors import UserError
from probekit.reporting.comparison_record import ComparisonRecord, ComparisonRow
from probekit.statistics.verdicts import LEVEL, Effect
from probekit.suites.registry import load_suite
from probekit.suites.suite import Suite
from probekit.workflows.drop import read_drop_protocol
from trainer.claims.found import STALE, Found, Named, check_current
from trainer.claims.kinds import LongerGains, Pairs, TotalUp
from trainer.claims.paper_numbers import PaperNumber, consistencies, paper_numbers
from trainer.config.sweep import SweepConfig, find_sweep, load_sweep
from trainer.reproduction.paper_systems import NAMES
from trainer.reproduction.places import Places
from trainer.reproduction.request import SCALES
from trainer.reproduction.results import DropRowStored, comparison_of, drops_of
from trainer.reproduction.targets import LONG, SHORT, Arms, Drop, Rows

_TOTAL: Final = "total"
_RAW: Final = {"raw": 100.0, "percent": 1.0}
"""Points per unit of a stored drop."""
_NORMAL: Final = NormalDist()


def total_up(kind: TotalUp, places: Places) -> Found:
    """Total with foresight minus without. Raises UserError where a result is missing, small or stale."""
    effects, files = [], []
    for system, paper in zip(kind.systems, paper_numbers(kind), strict=True):
        need = Arms(system)
        record = _arms(need, places)
        row = next((row for row in record.rows if row.quantity == _TOTAL), None)
        if row is None:
            raise UserError(f"{places.file(need)} has no Total.", "Score every dimension, and compare again.")
        name = NAMES[system] if len(kind.systems) > 1 else ""
        effects.append(Named(name, _effect(row, paper.difference, places.file(need))))
        files.append(places.file(need))
    return Found(tuple(effects), files[0], "1 per arm")


def _arms(need: Arms, places: Places) -> ComparisonRecord:
    """A comparison of both arms at the full size, of what is shipped now."""
    record, file = comparison_of(need, places), places.file(need)
    check_current(record.protocols, _suite(need.horizon), file)
    return record


def _suite(horizon: str) -> Suite:
    """The sprite scale's suite of a horizon, at its full size."""
    return load_suite(SCALES["sprite"].suites[horizon])


def _effect(row: ComparisonRow, claimed: float | None, file: Path) -> Effect:
    if row.difference is None or row.low is None or row.high is None:
        raise UserError(f"{file} has no interval of {row.quantity}: {row.reason}.", "Compare more prompts.")
    return Effect(row.difference, row.low, row.high, row.n_prompts, claimed)


def longer_gains(kind: LongerGains, places: Places) -> Found:
    """What foresight takes off the drop from short to long videos. Raises UserError as `total_up`."""
    need = Drop()
    file, rows = places.file(need), drops_of(need, places)
    cards = read_drop_protocol(places.result(need)).runs
    if len(cards) != 2:
        raise UserError(f"{file} is of {len(cards)} models in place of both arms.", STALE)
    for number, horizon in enumerate((SHORT, LONG)):
        check_current({model: own[number] for model, own in cards.items()}, _suite(horizon), file)
    baseline, method = cards
    contrast = f"drop of {method} - drop of {baseline}"
    found = {row.name: row for row in rows if row.what == contrast}
    effects = []
    for dimension, paper in zip(consistencies(), paper_numbers(kind), strict=True):
        if dimension not in found:
            raise UserError(f"{file} has no row of {contrast!r} in {dimension}.", STALE)
        effects.append(Named(paper.name, _spared(found[dimension], paper, file)))
    return Found(tuple(effects), file, "1 per arm")


def _spared(row: DropRowStored, paper: PaperNumber, file: Path) -> Effect:
    """A difference of drops turned round: what long videos gain beyond short ones."""
    if row.drop is None or row.low is None or row.high is None or row.unit not in _RAW:
        raise UserError(f"{file} has no interval of {row.name}.", STALE)
    scale = -_RAW[row.unit]
    return Effect(scale * row.drop, scale * row.high, scale * row.low, row.prompts, paper.difference)


class SweepPair(NamedTuple):
    """Two rows of a sweep's comparison, each as its difference from the first row; None for the first row itself."""

    name: str
    first: ComparisonRow | None
    second: ComparisonRow | None


def pairs(kind: Pairs, places: Places) -> Found:
    """Rows of a sweep against other rows. Raises UserError as `total_up`, or where the rows are others."""
    need, sweep = Rows(kind.table), load_sweep(find_sweep(kind.table))
    file = places.file(need)
    record = comparison_of(need, places)
    if len(record.models()) != len(sweep.rows):
        raise UserError(f"{file} compares {len(record.models())} models in place of {len(sweep.rows)}.", STALE)
    check_current(record.protocols, load_suite(sweep.suite).reduced(sweep.prompts, sweep.samples), file)
    printed = [number.difference for number in paper_numbers(kind)]
    claimed: Sequence[float | None] = printed or [None] * len(kind.pairs)
    found = [
        Named(pair.name, pair_effect(pair, size, file))
        for pair, size in zip(_pairs(kind.pairs, sweep, record), claimed, strict=True)
    ]
    return Found(
        tuple(found), file, "1 per row",
        note="Intervals of pairs are the widest that the two stored ones allow: their errors are added.",
    )  # fmt: skip


def _pairs(wanted: Sequence[tuple[str, str]], sweep: SweepConfig, record: ComparisonRecord) -> Iterator[SweepPair]:
    """Pairs of rows with their comparisons; a record's models have the order of the sweep's rows."""
    models = {row.name: model for row, model in zip(sweep.rows, record.models(), strict=True)}
    labels = {row.name: row.label for row in sweep.rows}
    totals = {row.method: row for row in record.rows if row.quantity == _TOTAL}
    for first, second in wanted:
        one, other = (totals.get(models[name]) for name in (first, second))
        yield SweepPair(f"{labels[first]} and {labels[second]}:", one, other)


def pair_effect(pair: SweepPair, claimed: float | None, file: Path) -> Effect:
    """Total of a row minus that of another, from what each has against the first row.

    How the two errors hang together is not stored. The standard error of a difference is at most the sum of both, so
    the interval reaches that far: it is never too narrow.

    Args:
        pair: both rows.
        claimed: size that was claimed.
        file: file of the comparison, for messages.

    Raises:
        UserError: if a row has no standard error.
    """
    value = error = 0.0
    counts = []
    for sign, row in ((1, pair.first), (-1, pair.second)):
        if row is None:  # the first row itself, which differs from itself by nothing
            continue
        if row.difference is None or row.standard_error is None:
            raise UserError(f"{file} has no standard error of {row.method}: {row.reason}.", "Compare more prompts.")
        value += sign * row.difference
        error += row.standard_error
        counts.append(row.n_prompts)
    reach = _NORMAL.inv_cdf(0.5 + LEVEL / 2) * error
    return Effect(value, value - reach, value + reach, min(counts), claimed)
