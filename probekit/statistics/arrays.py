"""The paired bootstrap for people who have arrays and no score table."""

import numpy as np
from numpy.typing import ArrayLike

from probekit.choices import IntervalKind
from probekit.errors import UserError
from probekit.seeding import generator
from probekit.statistics.difference_estimate import DifferenceEstimate
from probekit.statistics.paired_means import paired_means


def compare_means(
    a: ArrayLike,
    b: ArrayLike,
    *,
    seed: int = 0,
    replicates: int = 10_000,
    level: float = 0.95,
    interval: IntervalKind = "percentile",
) -> DifferenceEstimate:
    """Mean of `a` minus mean of `b` with its standard error and interval; prompts are resampled in pairs.

    Args:
        a: scores of the first method, (P,), one per prompt.
        b: scores of the second method on the same prompts, in the same order.
        seed: seed of the resampling.
        replicates: number of bootstrap replicates, at least 2.
        level: coverage of the interval, in (0, 1).
        interval: kind of interval that is wanted, see `choose_interval`.

    Raises:
        UserError: if the arrays are not of one shape (P,), or a score is NaN or infinite.
    """
    scores = [np.asarray(values, dtype=np.float64) for values in (a, b)]
    shapes = [values.shape for values in scores]
    if shapes[0] != shapes[1] or len(shapes[0]) != 1:
        raise UserError(
            f"Scores of shapes {shapes[0]} and {shapes[1]} cannot be paired.",
            "Give two arrays of shape (P,), one score per prompt, in the same order.",
        )
    if not all(np.isfinite(values).all() for values in scores):
        raise UserError(
            "A score is NaN or infinite.", "Leave that prompt out of both arrays, and say how many are left."
        )
    if replicates < 2 or not 0 < level < 1:
        raise UserError(
            f"replicates = {replicates} and level = {level} give no interval.",
            "Use at least 2 replicates and a level between 0 and 1, such as 0.95.",
        )
    rng = generator("compare-means", seed)
    return paired_means("difference", *scores, rng=rng, replicates=replicates, level=level, interval=interval)
