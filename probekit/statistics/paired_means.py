"""One mean against another on the same prompts, by the paired bootstrap over prompts, or pairs of runs and prompts."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from probekit.choices import IntervalKind
from probekit.statistics.difference_estimate import DifferenceEstimate, estimate_difference, unscored_difference
from probekit.statistics.influence import Units
from probekit.statistics.interval_choice import Evidence
from probekit.statistics.resampling import draw_counts, prompt_indices

Floats = NDArray[np.float64]

NO_RATIO: Final = "a mean is 0, so that there is no ratio"
_DECIBELS: Final = 10 / float(np.log(10))
"""Decibels of a factor e."""


def paired_means(
    name: str,
    a: Floats,
    b: Floats,
    *,
    rng: np.random.Generator,
    replicates: int = 10_000,
    level: float = 0.95,
    interval: IntervalKind = "percentile",
) -> DifferenceEstimate:
    """Difference of the means of `a` and `b`, (P,) each, prompts resampled together.

    Of K > 1 pairs of training runs, (K, P) each, pairs and prompts are resampled crosswise.
    Intervals follow the rule of every comparison, see `choose_interval`.
    """
    assert a.shape == b.shape
    differences = np.atleast_2d(a - b)
    runs, prompts = differences.shape
    if not prompts:
        return unscored_difference(name)
    mean = float(differences.mean())
    units, drawn = _crosswise(differences, rng, replicates)
    evidence = Evidence(mean, drawn, units, float(np.abs([a, b]).max()), prompts, runs if runs > 1 else None)
    scores = float(a.mean()), float(b.mean())
    return estimate_difference(name, scores, evidence, interval=interval, level=level, unit="raw")


def _crosswise(differences: Floats, rng: np.random.Generator, replicates: int) -> tuple[list[Units], Floats]:
    """Units and replicates of the mean of differences (K, P): prompts, runs, and what is left beside both.

    A single run draws itself and has no spread, so that prompts alone are resampled.
    """
    mean = differences.mean()
    by_run, by_prompt = differences.mean(axis=1) - mean, differences.mean(axis=0) - mean
    rest = differences - mean - by_run[:, None] - by_prompt
    beside = Units(rest.reshape(-1, 1), np.array([float(rest.size)]), np.array([np.inf]))
    runs, prompts = (draw_counts(prompt_indices(rng, count, replicates), count) / count for count in differences.shape)
    drawn: Floats = ((runs @ differences) * prompts).sum(axis=1)
    return [_units(by_prompt), _units(by_run), beside], drawn


def paired_decibels(
    name: str,
    a: Floats,
    b: Floats,
    *,
    rng: np.random.Generator,
    replicates: int = 10_000,
    level: float = 0.95,
    interval: IntervalKind = "percentile",
) -> DifferenceEstimate:
    """Ratio of the means of two kinds of errors >= 0 in decibels, 10·log10(mean a / mean b), (P,) each.

    Prompts are resampled together, and a replicate is the ratio of its own means. In the estimate `a`, `b` are the
    decibels of the means and `difference` is the ratio; it has a reason and no value where a mean is 0.
    """
    assert a.shape == b.shape
    if not len(a):
        return unscored_difference(name)
    means = a.mean(), b.mean()
    if min(means) <= 0:
        return unscored_difference(name)._replace(n_prompts=len(a), reason=NO_RATIO)
    decibels = [_DECIBELS * float(np.log(mean)) for mean in means]
    influence = _DECIBELS * (a / means[0] - b / means[1])
    units = _units(influence)
    rows = prompt_indices(rng, len(a), replicates)
    with np.errstate(divide="ignore", invalid="ignore"):  # a replicate without an error has no ratio
        drawn = _DECIBELS * (np.log(a[rows].mean(axis=-1)) - np.log(b[rows].mean(axis=-1)))
    evidence = Evidence(decibels[0] - decibels[1], drawn, [units], _DECIBELS, len(a))
    return estimate_difference(name, (decibels[0], decibels[1]), evidence, interval=interval, level=level, unit="raw")


def _units(influence: Floats) -> Units:
    """The influence (P,) of each prompt on one number."""
    count = np.array([float(len(influence))])
    return Units(influence[:, None], count, np.maximum(count - 1, 1))
