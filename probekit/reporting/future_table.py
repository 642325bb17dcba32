"""Tests of futures as a table: one row per arm and horizon."""

from collections.abc import Sequence
from functools import partial

from probekit.probing.future_tests import ArmContrast, FutureTest
from probekit.reporting.cells import STAR, difference_text, interval_notes, interval_text, score_text
from probekit.reporting.table import Cell, Column, Table

_STYLE = ".6f"
_SHORT = ".3f"


def future_table(tests: Sequence[FutureTest]) -> Table[FutureTest]:
    """Whether readouts are nearer to the mean of futures than a single future is."""
    columns: list[Column[FutureTest]] = [
        Column("arm", lambda row: row.arm),
        Column("chunks ahead", lambda row: row.horizon),
        *(_distance(name, key) for name, key in _DISTANCES),
        Column("nearer by", lambda row: _difference(row), True),
        Column("95% interval", lambda row: _interval(row), True),
        Column("effect", lambda row: score_text(row.test.effect, _SHORT), True),
        Column("p", lambda row: score_text(row.test.p_value, ".4f"), True),
        Column("prompts", lambda row: row.test.estimate.n_prompts, True),
        *(_distance(name, key, _SHORT) for name, key in _ENERGIES),
        Column("places off", lambda row: score_text(row.variation, _SHORT), True),
        Column("by chance", lambda row: score_text(row.variation_by_chance, _SHORT), True),
        Column("known", lambda row: row.known, True),
    ]
    kinds = [
        (f"{row.arm} +{row.horizon}", row.test.estimate.interval, row.test.estimate.instead, row.test.estimate.reason)
        for row in tests
    ]
    futures = ", ".join(dict.fromkeys(str(row.futures) for row in tests))
    notes = [
        f"{futures} futures per state. Distances are mean squared differences of pixels in [0, 1]; a future is held "
        "against the mean of the others.",
        "nearer by: distance of a future from the mean of all other items, less that of the readout; items are the "
        f"readout and the futures. Positive: the readout is nearer. {STAR} the interval excludes 0.",
        "effect: mean over standard deviation. p: the readout changes places with the futures of its state.",
        "energy: energy distance from the futures of the readout, of a single future, and of their own mean.",
        "places off: total variation between places of the sprite in the futures and in the world's distribution; by "
        "chance: as many draws of the world itself. known: scenes of one sprite whose state at the fork can be read.",
        *interval_notes(kinds),
    ]
    return Table(columns, tests, notes, data=_data())


def _data() -> list[Column[FutureTest]]:
    """Every number in full, for programs."""
    estimate = ("difference", "standard_error", "low", "high", "star", "n_prompts", "interval", "reason")
    return [
        Column("arm", lambda row: row.arm),
        Column("horizon", lambda row: row.horizon),
        Column("futures", lambda row: row.futures),
        *(Column[FutureTest](key, partial(_mean, key)) for _, key in (*_DISTANCES, *_ENERGIES)),
        *(Column[FutureTest](name, partial(_estimated, name)) for name in estimate),
        Column("effect", lambda row: row.test.effect),
        Column("p_value", lambda row: row.test.p_value),
        Column("variation", lambda row: row.variation),
        Column("variation_by_chance", lambda row: row.variation_by_chance),
        Column("known", lambda row: row.known),
    ]


def _mean(key: str, row: FutureTest) -> Cell:
    return row.means[key]


def _estimated(name: str, row: FutureTest) -> Cell:
    found: Cell = row.test.estimate._asdict()[name]
    return found


_DISTANCES = (
    ("readout to mean", "readout_to_mean"),
    ("future to mean", "sample_to_mean"),
    ("readout to future", "readout_to_sample"),
    ("future to future", "sample_to_sample"),
)
_ENERGIES = (
    ("energy of readout", "energy_of_readout"),
    ("energy of a future", "energy_of_sample"),
    ("energy of the mean", "energy_of_mean"),
)


def _distance(name: str, key: str, style: str = _STYLE) -> Column[FutureTest]:
    return Column(name, lambda row: score_text(row.means[key], style), True)


def _difference(row: FutureTest) -> str:
    return difference_text(row.test.estimate.difference, _STYLE, star=row.test.estimate.star)


def _interval(row: FutureTest) -> str:
    return interval_text(row.test.estimate.low, row.test.estimate.high, _STYLE)


def arm_table(contrasts: Sequence[ArmContrast]) -> Table[ArmContrast]:
    """Distances of the method minus those of the baseline."""
    columns: list[Column[ArmContrast]] = [
        Column("contrast", lambda row: row.estimate.name.replace("_", " ")),
        Column("chunks ahead", lambda row: row.horizon),
        Column("first", lambda row: score_text(row.estimate.a, _STYLE), True),
        Column("second", lambda row: score_text(row.estimate.b, _STYLE), True),
        Column("difference", lambda row: _contrast(row), True),
        Column("95% interval", lambda row: interval_text(row.estimate.low, row.estimate.high, _STYLE), True),
    ]
    kinds = [(one.estimate.name, one.estimate.interval, one.estimate.instead, one.estimate.reason) for one in contrasts]
    return Table(columns, contrasts, interval_notes(kinds))


def _contrast(row: ArmContrast) -> str:
    return difference_text(row.estimate.difference, _STYLE, star=row.estimate.star)
