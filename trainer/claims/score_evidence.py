"""Evidence from scores: differences of Totals, of rows of a sweep, and of what long videos lose."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from probekit.errors import UserError
from probekit.reporting.comparison_io import COMPARISON_FILENAME, read_comparison
from probekit.reporting.comparison_record import ComparisonRecord, ComparisonRow
from probekit.reporting.pair_table import PairRow, read_pairs, turned_pair
from probekit.statistics.verdicts import Effect
from probekit.suites.registry import load_suite
from probekit.suites.suite import Suite
from probekit.workflows.drop import read_drop_protocol
from trainer.claims.found import STALE, Found, Named, check_current, check_shipped_runs
from trainer.claims.kinds import LongerGains, Pairs, TotalUp
from trainer.claims.paper_numbers import PaperNumber, consistencies, paper_numbers
from trainer.config.sweep import FORESIGHT, SweepConfig, find_sweep, load_sweep
from trainer.reproduction.paper_systems import NAMES
from trainer.reproduction.places import DROP, TABLE, Places
from trainer.reproduction.request import SCALES
from trainer.reproduction.results import BETWEEN_ARMS, DropRowStored, comparison_of, drops_in
from trainer.reproduction.targets import CHUNKWISE, LONG, SHORT, Arms, Drop, Rows

_TOTAL: Final = "total"
_OF: Final = "drop of "
_RAW: Final = {"raw": 100.0, "percent": 1.0}
"""Points per unit of a stored drop."""
_ROWS_OF_SYSTEM: Final[Mapping[str, Pairs]] = {
    CHUNKWISE: Pairs(FORESIGHT, (("foresight", "no-foresight"),)),
    "framewise": Pairs("table10", (("current-and-next", "no-foresight"),)),
    "self-forcing": Pairs("self-forcing", (("foresight", "no-foresight"),)),
}
"""Rows with and without the paper's foresight in a base system's sweep."""


def total_up(kind: TotalUp, places: Places) -> Found:
    """Total with foresight minus without. Raises UserError where a result is missing, small or stale."""
    effects, files, runs = [], [], []
    for system, paper in zip(kind.systems, paper_numbers(kind), strict=True):
        effect, file, count = _total_of_system(system, paper.difference, places)
        effects.append(Named(NAMES[system] if len(kind.systems) > 1 else "", effect))
        files.append(file)
        runs.append(count)
    return Found(tuple(effects), files[0], _per("arm", runs), training_runs=min(runs))


def _total_of_system(system: str, claimed: float, places: Places) -> tuple[Effect, Path, int]:
    """The effect in a base system: of a sweep's training runs where there are some, else of two exports."""
    rows = _ROWS_OF_SYSTEM[system]
    folder = places.training_runs / TABLE if system == CHUNKWISE else places.result(Rows(rows.table))
    if not (folder / COMPARISON_FILENAME).is_file():
        return _total(Arms(system), claimed, places)
    if system == CHUNKWISE:
        _check_shipped(rows, folder)
    ((named, runs),) = _effects(rows, [claimed], folder)
    return named.effect, folder / COMPARISON_FILENAME, runs


def _total(need: Arms, claimed: float, places: Places) -> tuple[Effect, Path, int]:
    """The effect between single exports, the file that it is from, and the number of training runs."""
    record, file = _arms(need, places), places.file(need)
    row = next((row for row in record.rows if row.quantity == _TOTAL), None)
    if row is None:
        raise UserError(f"{file} has no Total.", "Score every dimension, and compare again.")
    return effect_of(row, row.quantity, claimed, file), file, 1


def _check_shipped(kind: Pairs, folder: Path) -> None:
    """Raise UserError if the first training run of the rows is not what is shipped."""
    protocols = read_comparison(folder).protocols
    ((method, baseline),) = kind.pairs
    hashes = [protocols[row].generation.checkpoint_hash for row in (baseline, method)]
    check_shipped_runs(hashes, folder / COMPARISON_FILENAME)


def _arms(need: Arms, places: Places) -> ComparisonRecord:
    """A comparison of both arms at the full size, of what is shipped now."""
    record, file = comparison_of(need, places), places.file(need)
    check_current(record.protocols, _suite(need.horizon), file)
    return record


def _suite(horizon: str) -> Suite:
    """The sprite scale's suite of a horizon, at its full size."""
    return load_suite(SCALES["sprite"].suites[horizon])


def longer_gains(kind: LongerGains, places: Places) -> Found:
    """What foresight takes off the drop from short to long videos. Raises UserError as `total_up`."""
    repeated = places.training_runs / DROP
    several = repeated.is_dir()
    folder = repeated if several else places.result(Drop())
    file = folder / places.file(Drop()).name
    rows, protocol = drops_in(file), read_drop_protocol(folder)
    cards = protocol.runs
    if len(cards) != 2:
        raise UserError(f"{file} is of {len(cards)} models in place of both arms.", STALE)
    contrast = next((row.what for row in rows if row.is_between()), "")
    method, _, baseline = contrast.removeprefix(_OF).partition(f"{BETWEEN_ARMS}{_OF}")
    if {method, baseline} != set(cards):
        raise UserError(f"{file} has no difference of the drops of {' and '.join(cards)}.", STALE)
    for number, horizon in enumerate((SHORT, LONG)):
        check_current({model: own[number] for model, own in cards.items()}, _suite(horizon), file)
        if several:
            check_shipped_runs([cards[arm][number].generation.checkpoint_hash for arm in (baseline, method)], file)
    found = {row.name: row for row in rows if row.what == contrast}
    effects = []
    for dimension, paper in zip(consistencies(), paper_numbers(kind), strict=True):
        if dimension not in found:
            raise UserError(f"{file} has no row of {contrast!r} in {dimension}.", STALE)
        effects.append(Named(paper.name, _spared(found[dimension], paper, file)))
    runs = protocol.training_runs()
    return Found(tuple(effects), file, _per("arm", [runs]), training_runs=runs)


def _spared(row: DropRowStored, paper: PaperNumber, file: Path) -> Effect:
    """A difference of drops turned round: what long videos gain beyond short ones."""
    if row.drop is None or row.low is None or row.high is None or row.unit not in _RAW:
        raise UserError(f"{file} has no interval of {row.name}.", STALE)
    scale = -_RAW[row.unit]
    return Effect(scale * row.drop, scale * row.high, scale * row.low, row.prompts, paper.difference)


def pairs(kind: Pairs, places: Places) -> Found:
    """Rows of a sweep against other rows. Raises UserError as `total_up`, or where rows are missing."""
    printed = [number.difference for number in paper_numbers(kind)]
    folder = places.result(Rows(kind.table))
    found = _effects(kind, printed or [None] * len(kind.pairs), folder)
    runs = [count for _, count in found]
    file = folder / COMPARISON_FILENAME
    return Found(tuple(named for named, _ in found), file, _per("row", runs), training_runs=min(runs))


def _effects(kind: Pairs, claimed: Sequence[float | None], folder: Path) -> list[tuple[Named, int]]:
    """For each pair of a sweep's rows what its table in a folder shows, and the training runs behind it."""
    sweep, file, record = load_sweep(find_sweep(kind.table)), folder / COMPARISON_FILENAME, read_comparison(folder)
    check_current(record.protocols, load_suite(sweep.suite).reduced(sweep.prompts, sweep.samples), file)
    models, labels = models_of(sweep, record, file), {row.name: row.label for row in sweep.rows}
    stored = read_pairs(folder)
    found = []
    for names, size in zip(kind.pairs, claimed, strict=True):
        missing = next((labels[name] for name in names if name not in models), None)
        if missing is not None:
            raise UserError(f"{file} has no row {missing}: its training is not finished.", "Run the sweep on.")
        pair = pair_of(stored, models[names[0]], models[names[1]], file)
        effect = effect_of(pair, pair.name(), size, file)
        found.append((Named(f"{labels[names[0]]} and {labels[names[1]]}:", effect), pair.runs))
    return found


def models_of(sweep: SweepConfig, record: ComparisonRecord, file: Path) -> dict[str, str]:
    """The model of each row that a comparison has, by the row's name.

    A sweep calls its models by their rows, and some may be missing still. `trainer reproduce` calls them by what they
    train; then all are there, in the order of the rows.

    Raises:
        UserError: if the comparison is of other models.
    """
    names, models = [row.name for row in sweep.rows], record.models()
    if set(models) <= set(names):
        return {model: model for model in models}
    if len(models) == len(names):
        return dict(zip(names, models, strict=True))
    raise UserError(f"{file} compares {len(models)} models in place of {len(names)}.", STALE)


def pair_of(stored: Sequence[PairRow], first: str, second: str, file: Path) -> PairRow:
    """Total of the first minus that of the second, in whichever order it is stored.

    Raises:
        UserError: if the pair is not stored.
    """
    for row in stored:
        if (row.first, row.second) == (first, second):
            return row
        if (row.first, row.second) == (second, first):
            return turned_pair(row)
    raise UserError(f"{file.with_name('pairs.csv')} has no pair of {first} and {second}.", STALE)


def effect_of(row: ComparisonRow | PairRow, what: str, claimed: float | None, file: Path) -> Effect:
    """The effect that a stored row shows.

    Args:
        row: difference with its interval.
        what: what it is a difference in or of, for messages.
        claimed: size that was claimed.
        file: file of the row, for messages.

    Raises:
        UserError: if it has no interval.
    """
    if row.difference is None or row.low is None or row.high is None:
        raise UserError(f"{file} has no interval of {what}: {row.reason}.", "Compare more prompts.")
    return Effect(row.difference, row.low, row.high, row.n_prompts, claimed)


def _per(side: str, runs: Sequence[int]) -> str:
    """How many training runs stand behind each side."""
    least, most = min(runs), max(runs)
    return f"{least} per {side}" if least == most else f"{least} to {most} per {side}"
