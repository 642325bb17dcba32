"""Confidence intervals from bootstrap replicates (Efron & Tibshirani, An Introduction to the Bootstrap, 12 to 14)."""

from collections.abc import Sequence
from statistics import NormalDist
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_NORMAL: Final = NormalDist()
IntervalKind = Literal["percentile", "basic", "bca", "studentised"]


def percentile_interval(replicates: Floats, level: float) -> tuple[float, float]:
    """Quantiles of the replicates."""
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(replicates, (tail, 1.0 - tail))
    return float(low), float(high)


def basic_interval(estimate: float, replicates: Floats, level: float) -> tuple[float, float]:
    """Quantiles reflected at the estimate: 2·estimate - quantile."""
    low, high = percentile_interval(replicates, level)
    return 2 * estimate - high, 2 * estimate - low


def bca_interval(estimate: float, replicates: Floats, influence: Sequence[Floats], level: float) -> tuple[float, float]:
    """Bias-corrected and accelerated quantiles (Efron 1987).

    Args:
        estimate: the quantity.
        replicates: of it.
        influence: of each component, (P,) centred contributions; the acceleration is their skewness.
        level: coverage.
    """
    below = (np.count_nonzero(replicates < estimate) + 0.5 * np.count_nonzero(replicates == estimate)) / len(replicates)
    if not 0 < below < 1:
        return percentile_interval(replicates, level)
    scaled = np.concatenate([z / len(z) for z in influence])
    spread = np.square(scaled).sum() ** 1.5
    acceleration = float((scaled**3).sum() / (6 * spread)) if spread > 0 else 0.0
    bias = _NORMAL.inv_cdf(below)
    tail = (1.0 - level) / 2.0
    ends = []
    for z in (_NORMAL.inv_cdf(tail), _NORMAL.inv_cdf(1 - tail)):
        shifted = bias + (bias + z) / (1 - acceleration * (bias + z))
        ends.append(float(np.quantile(replicates, _NORMAL.cdf(shifted))))
    return ends[0], ends[1]


def studentised_interval(
    estimate: float, error: float, replicates: Floats, replicate_errors: Floats, level: float
) -> tuple[float, float]:
    """Estimate - t*·error, with t* the quantiles of (replicate - estimate) / replicate's own error.

    Args:
        estimate: the quantity.
        error: its standard error.
        replicates: of the quantity, (R,).
        replicate_errors: standard error of each replicate; those of 0 are left out.
        level: coverage.
    """
    usable = replicate_errors > 0
    if not usable.any():
        return estimate, estimate
    ratio = (replicates[usable] - estimate) / replicate_errors[usable]
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(ratio, (tail, 1.0 - tail))
    return float(estimate - high * error), float(estimate - low * error)
