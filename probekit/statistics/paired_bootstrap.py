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

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from probekit.errors import UserError
from probekit.evaluation.aggregation import AggregateArray, aggregate_array, check_known
from probekit.evaluation.dimension_constants import DimensionConstant
from probekit.statistics.difference_estimate import (
    BootstrapComparison,
    DifferenceEstimate,
    estimate_difference,
    unscored_difference,
)

__all__ = ["BootstrapComparison", "DifferenceEstimate", "dimension_generators", "paired_bootstrap", "prompt_indices"]

CHUNK_ELEMENTS = 1_000_000
"""Resampled scores held at once; bounds memory, does not change results."""

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
        rng: Consumed for one key a dimension of the suite, so that a dimension's resampling does not depend on which
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
    scored = {dimension: pair for dimension, pair in pairs.items() if pair.shape[1] > 0}
    points = _stack([pair.mean(axis=1) for pair in scored.values()], (2,))
    generators = dimension_generators(rng, constants)
    resampled = [_replicate_means(pair, replicates, generators[name]) for name, pair in scored.items()]
    replicate_means = _stack(resampled, (2, replicates))
    names = tuple(scored)
    estimates = {
        name: estimate_difference(name, points[:, i], replicate_means[:, :, i], pairs[name].shape[1], level, "raw")
        for i, name in enumerate(names)
    }
    dimensions = tuple(estimates.get(name, unscored_difference(name)) for name in pairs)
    point = aggregate_array(points, names, constants)
    sampled = aggregate_array(replicate_means, names, constants)
    n_prompts = {name: pair.shape[1] for name, pair in scored.items()}
    quality, semantic, total = _composites(point, sampled, n_prompts, constants, level)
    return BootstrapComparison(dimensions, quality, semantic, total, point.missing, replicates, level)


def dimension_generators(rng: np.random.Generator, constants: Constants) -> dict[str, np.random.Generator]:
    """One independent generator for each dimension of the suite, keyed by one draw each from `rng`."""
    # Drawn keys instead of rng.spawn(): a Philox generator made from a key has no seed sequence to spawn from.
    keys = rng.integers(0, 2**63, size=len(constants), dtype=np.uint64)
    return {
        constant.dimension: np.random.Generator(np.random.Philox(key=int(key)))
        for constant, key in zip(constants, keys, strict=True)
    }


def prompt_indices(rng: np.random.Generator, n_prompts: int, replicates: int) -> NDArray[np.int64]:
    """Prompts drawn with replacement, shape (replicates, n_prompts); drawing in parts gives the same rows."""
    return rng.integers(0, n_prompts, size=(replicates, n_prompts), dtype=np.int64)


def _replicate_means(pair: Floats, replicates: int, rng: np.random.Generator) -> Floats:
    """Means over resampled prompts, (2, n_prompts) -> (2, replicates), the same prompts for both rows."""
    n_prompts = pair.shape[1]
    means = [
        np.take(pair, prompt_indices(rng, n_prompts, count), axis=1).mean(axis=-1)
        for count in _chunks(replicates, max(1, CHUNK_ELEMENTS // n_prompts))
    ]
    return np.concatenate(means, axis=1)


def _chunks(total: int, size: int) -> Iterator[int]:
    for start in range(0, total, size):
        yield min(size, total - start)


def _composites(
    point: AggregateArray, sampled: AggregateArray, n_prompts: Mapping[str, int], constants: Constants, level: float
) -> list[DifferenceEstimate | None]:
    groups = {"quality": ("quality",), "semantic": ("semantic",), "total": ("quality", "semantic")}
    scores = ((point.quality, sampled.quality), (point.semantic, sampled.semantic), (point.total, sampled.total))
    estimates: list[DifferenceEstimate | None] = []
    for (name, members), (points, replicates) in zip(groups.items(), scores, strict=True):
        if points is None or replicates is None:
            estimates.append(None)
            continue
        smallest = min(n_prompts[constant.dimension] for constant in constants if constant.group in members)
        estimates.append(estimate_difference(name, points, replicates, smallest, level, "percent"))
    return estimates


def _stack(columns: Sequence[Floats], shape: tuple[int, ...]) -> Floats:
    return np.stack(columns, axis=-1) if columns else np.empty((*shape, 0))


def _check_settings(replicates: int, level: float) -> None:
    if replicates < 2:
        raise UserError(f"replicates = {replicates} gives no standard error.", "use at least 2; the paper uses 10000.")
    if not 0.0 < level < 1.0:
        raise UserError(f"level = {level} is not a coverage.", "use a number between 0 and 1, such as 0.95.")


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
                f"Dimension {dimension!r} is scored for one method only.", "score it for both, or leave it out of both."
            )
    return {dimension: _pair(dimension, scores_a[dimension], scores_b[dimension]) for dimension in present}


def _pair(dimension: str, scores_a: ArrayLike, scores_b: ArrayLike) -> Floats:
    a, b = (np.asarray(scores, dtype=np.float64) for scores in (scores_a, scores_b))
    if a.ndim != 1 or a.shape != b.shape:
        raise UserError(
            f"Dimension {dimension!r} has prompt scores of shape {a.shape} and {b.shape}: they can't be paired.",
            "give both methods one score for each of the same prompts, in the same order.",
        )
    pair = np.stack((a, b))
    unpaired = np.flatnonzero(~np.isfinite(pair).all(axis=0))
    if unpaired.size > 0:
        raise UserError(
            f"Dimension {dimension!r} has no finite score for prompt number {int(unpaired[0])} (from 0).",
            "score that prompt for both methods, or leave it out of both.",
        )
    return pair
