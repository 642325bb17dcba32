"""Confidence intervals from bootstrap replicates, and Student's; None where one is not defined for these data.

Efron & Tibshirani, An Introduction to the Bootstrap, chapters 12 to 14.
"""

from collections.abc import Sequence
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ends = tuple[float, float]
_NORMAL: Final = NormalDist()

SMALL_ERROR: Final = 1e-6
"""A replicate's own error below this part of the estimate's is rounding: its draws were all equal."""
MOST_LEFT_OUT: Final = 0.01
"""If more of the replicates have no value or no error of their own, their quantiles are not the bootstrap's."""


def percentile_interval(replicates: Floats, level: float) -> Ends:
    """Quantiles of the replicates."""
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(replicates, (tail, 1.0 - tail))
    return float(low), float(high)


def basic_interval(estimate: float, replicates: Floats, level: float) -> Ends:
    """Quantiles reflected at the estimate: 2·estimate - quantile."""
    low, high = percentile_interval(replicates, level)
    return 2 * estimate - high, 2 * estimate - low


def bca_interval(estimate: float, replicates: Floats, influence: Sequence[Floats], level: float) -> Ends | None:
    """Bias-corrected and accelerated quantiles (Efron 1987).

    Args:
        estimate: the quantity.
        replicates: its replicates.
        influence: influence of each kind of units, (N,) centred contributions; the acceleration is their skewness.
        level: coverage.

    Returns:
        None where all replicates lie on one side of the estimate, or the acceleration leaves the range of its formula.
    """
    below = (np.count_nonzero(replicates < estimate) + 0.5 * np.count_nonzero(replicates == estimate)) / len(replicates)
    scaled = np.concatenate([z / len(z) for z in influence])
    spread = np.square(scaled).sum() ** 1.5
    if not 0 < below < 1 or spread == 0:
        return None
    acceleration = float((scaled**3).sum() / (6 * spread))
    bias = _NORMAL.inv_cdf(below)
    tail = (1.0 - level) / 2.0
    ends = []
    for z in (_NORMAL.inv_cdf(tail), _NORMAL.inv_cdf(1 - tail)):
        shrink = 1 - acceleration * (bias + z)
        if shrink <= 0:
            return None
        ends.append(float(np.quantile(replicates, _NORMAL.cdf(bias + (bias + z) / shrink))))
    return ends[0], ends[1]


def studentised_interval(
    estimate: float, error: float, replicates: Floats, replicate_errors: Floats, level: float
) -> Ends | None:
    """Estimate - t*·error, with t* the quantiles of (replicate - estimate) / replicate's own error.

    Args:
        estimate: the quantity.
        error: its standard error.
        replicates: replicates of the quantity, (R,).
        replicate_errors: standard error of each replicate; those that are 0 but for rounding are left out.
        level: coverage.

    Returns:
        None where too many replicates are left out.
    """
    usable = replicate_errors > SMALL_ERROR * error
    if usable.mean() < 1 - MOST_LEFT_OUT:
        return None
    ratio = (replicates[usable] - estimate) / replicate_errors[usable]
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(ratio, (tail, 1.0 - tail))
    return float(estimate - high * error), float(estimate - low * error)


def t_interval(estimate: float, error: float, freedom: float, level: float) -> Ends:
    """Estimate ± Student's quantile times the unbiased standard error."""
    reach = t_quantile(0.5 + level / 2.0, freedom) * error
    return estimate - reach, estimate + reach


def t_quantile(probability: float, freedom: float) -> float:
    """Quantile of Student's distribution; of the normal one for infinite freedom."""
    if np.isinf(freedom):
        return _NORMAL.inv_cdf(probability)
    from scipy.special import stdtrit

    return float(stdtrit(freedom, probability))


def t_tail(value: float, freedom: float) -> float:
    """Chance that Student's t exceeds a value."""
    if np.isinf(freedom):
        return 1.0 - _NORMAL.cdf(value)
    from scipy.special import stdtr

    return float(stdtr(freedom, -value))
