"""How far readouts stay behind the best one that the past allows, in nats and decibels. Torch-free.

An error is the one that a readout is expected to have under the exact posterior, not the one that it had with the one
future that came. With X the fact, r a readout and p the posterior: E(r - X)^2 = (r - E X)^2 + Var X, and the expected
cross entropy is H(p) + KL(p || r). So the luck of the draw is in neither the error nor the floor, and a gap is never
negative: it is KL(p || r), in nats, or the ratio of the two errors, in decibels.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from probekit.probing.planning_facts import BestReadout
from probekit.probing.probe_settings import TRAINED
from probekit.seeding import generator
from probekit.statistics.difference_estimate import DifferenceEstimate
from probekit.statistics.paired_means import paired_decibels, paired_means

BEST: Final = "best readout of the true past"
NATS: Final = "nats"
DECIBELS: Final = "dB"

Floats = NDArray[np.float64]


def log_probabilities(log_odds: Floats) -> Floats:
    """Log-odds (R, K) as logarithms of probabilities."""
    shifted = log_odds - log_odds.max(axis=1, keepdims=True)
    found: Floats = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return found


def expected_squared_errors(readouts: Floats, best: Sequence[BestReadout]) -> Floats:
    """Expected squared error per number (R,) of readouts (R, P)."""
    means = np.stack([one.values for one in best])
    found: Floats = np.square(readouts - means).mean(axis=1) + np.array([one.floor for one in best])
    return found


def expected_cross_entropies(log_odds: Floats, best: Sequence[BestReadout]) -> Floats:
    """Expected cross entropy in nats (R,) of readouts as log-odds (R, K)."""
    probability = np.stack([one.values for one in best])
    found: Floats = -(probability * log_probabilities(log_odds)).sum(axis=1)
    return found


class PlanningGap(NamedTuple):
    """One gap, or the difference of two arms.

    Attributes:
        contrast: what is held against what.
        arm: name of the arm; None where two arms are compared.
        source: network whose state is read, or name of a control.
        site: name of the site; empty where no state is read.
        fact: name of the fact.
        stated: whether the caption states it.
        horizon: chunks ahead.
        unit: ``nats`` or ``dB``.
        rows: states in an occlusion that it is a mean of.
        estimate: `difference` is the gap. In nats `a` is the expected cross entropy and `b` the floor; in dB they are
            decibels of the expected squared errors.
    """

    contrast: str
    arm: str | None
    source: str
    site: str
    fact: str
    stated: bool
    horizon: int
    unit: str
    rows: int
    estimate: DifferenceEstimate


_PLACE: Final = ["source", "site", "fact", "stated", "horizon", "unit"]


def planning_gaps(values: pd.DataFrame, baseline: str, method: str, seed: int = 0) -> list[PlanningGap]:
    """Every arm and control against the best readout, and the arms against each other: bootstrap over prompts.

    Args:
        values: rows of `planning_experiment.planning_values` of both arms.
        baseline: name of one arm.
        method: name of the other.
        seed: seed of the bootstrap.
    """
    named = values.assign(site=values.site.fillna(""))
    found = []
    for _, group in named.groupby(_PLACE, sort=False):
        found += list(_gaps(group, (baseline, method), seed))
    return found


def _gaps(group: pd.DataFrame, arms: tuple[str, str], seed: int) -> Iterator[PlanningGap]:
    first = group.iloc[0]
    source, unit = str(first.source), str(first.unit)
    means = {arm: _by_prompt(group[group.arm == arm]) for arm in arms if (group.arm == arm).any()}

    def gap(contrast: str, arm: str | None, a: pd.Series, b: pd.Series, rows: int) -> PlanningGap:
        estimate = _estimate(contrast, unit, a, b, seed)
        place = (source, str(first.site), str(first.fact), bool(first.stated), int(first.horizon), unit)
        return PlanningGap(contrast, arm, *place, rows, estimate)

    for arm, table in means.items():
        yield gap(f"{arm} - {BEST}", arm, table.error, table.best, int(table.rows.sum()))
    if source == TRAINED and len(means) == len(arms):
        ours, theirs = means[arms[1]], means[arms[0]]
        shared = ours.index.intersection(theirs.index)
        ours, theirs = ours.loc[shared], theirs.loc[shared]
        yield gap(f"{arms[1]} - {arms[0]}", None, ours.error, theirs.error, int(ours.rows.sum()))


def _by_prompt(group: pd.DataFrame) -> pd.DataFrame:
    """Means over a prompt's states and the probe's seeds; every state weighs alike within its prompt."""
    return group.groupby("prompt_id")[["error", "best", "rows"]].mean()


def _estimate(contrast: str, unit: str, a: pd.Series, b: pd.Series, seed: int) -> DifferenceEstimate:
    compare = paired_decibels if unit == DECIBELS else paired_means
    series = a.to_numpy(dtype=float), b.to_numpy(dtype=float)
    return compare(contrast, *series, rng=generator("planning-bootstrap", seed))


def gap_table(gaps: Sequence[PlanningGap]) -> pd.DataFrame:
    """One row per gap, with interval and star."""
    fields = ("a", "b", "difference", "standard_error", "low", "high", "star", "n_prompts", "interval", "instead",
              "reason")  # fmt: skip
    rows = [
        one._asdict() | {name: value for name, value in one.estimate._asdict().items() if name in fields}
        for one in gaps
    ]
    return pd.DataFrame(rows).drop(columns="estimate") if rows else pd.DataFrame()
