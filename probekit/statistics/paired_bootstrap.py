"""Paired bootstrap over prompts of two methods' scores, and of the Quality, Semantic and Total made from them.

The protocol of Video-Mirai, appendix E: for every dimension its prompts are resampled with replacement, with the same
indices for both methods and independently of the other dimensions; each replicate's dimension means are aggregated to
Quality, Semantic and Total by the suite's own rule (`probekit.evaluation.aggregation`); the standard error is the
standard deviation over replicates of the paired difference, the interval its percentiles, and a star marks an interval
that excludes 0.

What the interval covers: the choice of prompts and, nested in it, the noise of the samples. It says nothing about
another training run of the same recipe. Dimensions scored on the same prompts are resampled independently, as in the
paper, so covariance between them is not in the composite's interval.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from probekit.errors import UserError
from probekit.evaluation.aggregation import check_known
from probekit.statistics.bootstrap_settings import BootstrapSettings
from probekit.statistics.difference_estimate import BootstrapComparison
from probekit.statistics.group_bootstrap import group_bootstrap
from probekit.statistics.paired_units import PairedSamples
from probekit.suites.dimension_constants import DimensionConstant

Constants = Sequence[DimensionConstant]
Floats = NDArray[np.float64]


def paired_bootstrap(
    scores_a: Mapping[str, ArrayLike],
    scores_b: Mapping[str, ArrayLike],
    constants: Constants,
    *,
    rng: np.random.Generator,
    replicates: int = 10_000,
    level: float = 0.95,
) -> BootstrapComparison:
    """Compare two methods prompt by prompt (Video-Mirai, appendix E).

    Args:
        scores_a: Raw prompt scores of each dimension, shape (n_prompts of the dimension,); the first method.
        scores_b: The same for the second method: same dimensions, same prompts in the same order.
        constants: The suite's dimensions.
        rng: Consumed for one key per dimension of the suite, so that a dimension's resampling does not depend on which
            others are present.
        replicates: Bootstrap replicates, at least 2.
        level: Coverage of the percentile interval, in (0, 1).

    Returns:
        Differences a - b for each given dimension and for Quality, Semantic, Total.

    Raises:
        UserError: A dimension is unknown or in one method only, prompt counts differ, a score is not finite, or
            replicates or level is out of range.
    """
    _check_settings(replicates, level)
    pairs = _paired_scores(scores_a, scores_b, constants)
    samples = {
        name: PairedSamples(tuple(f"{i:08d}" for i in range(p.shape[1])), p[..., None]) for name, p in pairs.items()
    }
    settings = BootstrapSettings(replicates=replicates, level=level)
    return group_bootstrap(samples, constants, settings, rng=rng)


def _check_settings(replicates: int, level: float) -> None:
    if replicates < 2:
        raise UserError(f"replicates = {replicates} gives no standard error.", "Use at least 2; the paper uses 10000.")
    if not 0.0 < level < 1.0:
        raise UserError(f"level = {level} is not a coverage.", "Use a number between 0 and 1, such as 0.95.")


def _paired_scores(
    scores_a: Mapping[str, ArrayLike], scores_b: Mapping[str, ArrayLike], constants: Constants
) -> dict[str, Floats]:
    """Scores of both methods as (2, n_prompts) for each given dimension, in suite order."""
    for scores in (scores_a, scores_b):
        check_known(scores, constants)
    present = [c.dimension for c in constants if c.dimension in scores_a or c.dimension in scores_b]
    for dimension in present:
        if dimension not in scores_a or dimension not in scores_b:
            raise UserError(
                f"Dimension {dimension!r} is scored for one method only.", "Score it for both, or leave it out of both."
            )
    return {dimension: _pair(dimension, scores_a[dimension], scores_b[dimension]) for dimension in present}


def _pair(dimension: str, scores_a: ArrayLike, scores_b: ArrayLike) -> Floats:
    a, b = (np.asarray(scores, dtype=np.float64) for scores in (scores_a, scores_b))
    if a.ndim != 1 or a.shape != b.shape:
        raise UserError(
            f"Dimension {dimension!r} has prompt scores of shape {a.shape} and {b.shape}: they can't be paired.",
            "Give both methods one score for each of the same prompts, in the same order.",
        )
    pair = np.stack((a, b))
    unpaired = np.flatnonzero(~np.isfinite(pair).all(axis=0))
    if unpaired.size > 0:
        raise UserError(
            f"Dimension {dimension!r} has no finite score for prompt number {int(unpaired[0])} (from 0).",
            "Score that prompt for both methods, or leave it out of both.",
        )
    return pair
