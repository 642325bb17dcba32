"""A paired difference with its bootstrap uncertainty, and the set of them that compares two methods."""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

MIN_INTERVAL_PROMPTS = 6
"""With fewer prompts not even a unanimous sign is significant at 5 % (two-sided sign test: 2/2^5 = 6 %)."""
TOO_FEW_PROMPTS = "fewer than 2 prompts: no standard error or interval"
TOO_FEW_FOR_INTERVAL = f"fewer than {MIN_INTERVAL_PROMPTS} prompts: no interval"
NO_PROMPTS = "no prompt is scored for both methods"

Floats = NDArray[np.float64]


class DifferenceEstimate(NamedTuple):
    """A paired difference a - b with its bootstrap uncertainty.

    Attributes:
        name: The dimension, or "quality", "semantic", "total".
        a: Point score of the first method; None without a scored prompt.
        b: Point score of the second method.
        difference: a - b.
        standard_error: Standard deviation (ddof=1) of the difference over replicates; None with `reason`.
        low: Lower end of the percentile interval.
        high: Upper end of the percentile interval.
        star: The interval exists and excludes 0.
        n_prompts: Prompts resampled; for a composite score those of its smallest dimension.
        unit: "raw" (the dimension's own scale) or "percent" (composites, 0..100 before out-of-range raw values).
        reason: Why there is no interval; None when there is one.
        closed_form_error: The bootstrap's standard error worked out without resampling; both should agree.
    """

    name: str
    a: float | None
    b: float | None
    difference: float | None
    standard_error: float | None
    low: float | None
    high: float | None
    star: bool
    n_prompts: int
    unit: Literal["raw", "percent"]
    reason: str | None = None
    closed_form_error: float | None = None


class BootstrapComparison(NamedTuple):
    """Result of `paired_bootstrap`; composites are None when a dimension they need is in `missing`."""

    dimensions: tuple[DifferenceEstimate, ...]
    quality: DifferenceEstimate | None
    semantic: DifferenceEstimate | None
    total: DifferenceEstimate | None
    missing: tuple[str, ...]
    replicates: int
    level: float

    def estimates(self) -> tuple[DifferenceEstimate, ...]:
        """All estimates that exist: the dimensions in suite order, then Quality, Semantic, Total."""
        composites = (self.quality, self.semantic, self.total)
        return (*self.dimensions, *(estimate for estimate in composites if estimate is not None))


def estimate_difference(
    name: str, points: Floats, replicates: Floats, n_prompts: int, level: float, unit: Literal["raw", "percent"]
) -> DifferenceEstimate:
    """Summarise a paired difference.

    Args:
        name: The dimension or composite score.
        points: Point scores of the two methods, shape (2,).
        replicates: Their bootstrap replicates, shape (2, n_replicates), n_replicates >= 2.
        n_prompts: Prompts behind the score; below 2 there is no standard error, which is not the same as an error of
            0, and below `MIN_INTERVAL_PROMPTS` no interval and no star.
        level: Coverage of the percentile interval, in (0, 1).
        unit: Unit of the scores.
    """
    a, b = (float(value) for value in points)
    if n_prompts < 2:
        return DifferenceEstimate(name, a, b, a - b, None, None, None, False, n_prompts, unit, TOO_FEW_PROMPTS)
    differences = replicates[0] - replicates[1]
    error = float(differences.std(ddof=1))
    if n_prompts < MIN_INTERVAL_PROMPTS:
        return DifferenceEstimate(name, a, b, a - b, error, None, None, False, n_prompts, unit, TOO_FEW_FOR_INTERVAL)
    tail = (1.0 - level) / 2.0
    low, high = (float(value) for value in np.quantile(differences, (tail, 1.0 - tail)))
    return DifferenceEstimate(name, a, b, a - b, error, low, high, low > 0.0 or high < 0.0, n_prompts, unit)


def unscored_difference(name: str) -> DifferenceEstimate:
    """The entry of a dimension that both methods have but no prompt is scored for in both."""
    return DifferenceEstimate(name, None, None, None, None, None, None, False, 0, "raw", NO_PROMPTS)
