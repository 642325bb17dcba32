"""Training runs as the top level: does a recipe differ, or only this checkpoint?"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.statistics.difference_estimate import BootstrapComparison, DifferenceEstimate
from probekit.statistics.intervals import percentile_interval
from probekit.statistics.paired_units import COMPOSITES, quantity_slopes
from probekit.statistics.resampling import prompt_indices
from probekit.suites.dimension_constants import DimensionConstant

Floats = NDArray[np.float64]

TOO_FEW_RUNS = "fewer than 2 training runs of a model: no interval over runs"
RunScores = Mapping[str, Floats]
"""Prompt scores of each dimension, (training runs, prompts)."""


def bootstrap_over_runs(
    method: RunScores,
    baseline: RunScores,
    constants: Sequence[DimensionConstant],
    *,
    rng: np.random.Generator,
    replicates: int = 10_000,
    level: float = 0.95,
) -> BootstrapComparison:
    """Resample the training runs of each model, and the prompts that they share.

    The estimate is the mean over a method's runs minus that over the baseline's. Runs of the two models are drawn
    independently, prompts together for both; dimensions with the same number of prompts are taken to share them.

    Args:
        method: prompt scores of the method's runs.
        baseline: of the baseline's runs, on the same prompts.
        constants: the suite's dimensions.
        rng: of the resampling.
        replicates: bootstrap replicates.
        level: coverage of the percentile interval.

    Raises:
        UserError: if the two have other dimensions or prompts.
    """
    names = tuple(c.dimension for c in constants if c.dimension in method)
    if set(method) != set(baseline) or any(method[n].shape[1] != baseline[n].shape[1] for n in names):
        raise UserError("The runs have other dimensions or prompts.", "Score all of them on the same prompts.")
    runs = [next(iter(scores.values())).shape[0] for scores in (method, baseline)]
    shares = [_run_shares(rng, count, replicates) for count in runs]
    drawn: dict[int, Floats] = {}
    sampled, points = np.empty((2, replicates, len(names))), np.empty((2, len(names)))
    for k, name in enumerate(names):
        prompts = method[name].shape[1]
        if prompts not in drawn:
            drawn[prompts] = _prompt_shares(rng, prompts, replicates)
        for m, scores in enumerate((method, baseline)):
            sampled[m, :, k] = (shares[m] * (drawn[prompts] @ scores[name].T)).sum(axis=1)
            points[m, k] = scores[name].mean()
    quantities, slopes = quantity_slopes(names, constants)
    estimates = _estimates(quantities, slopes, points, sampled, min(runs), method, level)
    missing = tuple(c.dimension for c in constants if c.dimension not in method)
    rows = tuple(estimates[name] for name in names)
    quality, semantic, total = (estimates.get(name) for name in COMPOSITES)
    return BootstrapComparison(rows, quality, semantic, total, missing, replicates, level)


def _estimates(
    quantities: Sequence[str],
    slopes: Floats,
    points: Floats,
    sampled: Floats,
    fewest_runs: int,
    scores: RunScores,
    level: float,
) -> dict[str, DifferenceEstimate]:
    differences = (sampled[0] - sampled[1]) @ slopes.T
    values = points @ slopes.T
    fewest_prompts = min(one.shape[1] for one in scores.values())
    result = {}
    for q, name in enumerate(quantities):
        prompts = scores[name].shape[1] if name in scores else fewest_prompts
        a, b = float(values[0, q]), float(values[1, q])
        error = float(differences[:, q].std(ddof=1))
        bare = DifferenceEstimate(
            name, a, b, a - b, error, None, None, False, prompts, "percent" if name in COMPOSITES else "raw"
        )
        if fewest_runs < 2:
            result[name] = bare._replace(reason=TOO_FEW_RUNS)
            continue
        low, high = percentile_interval(differences[:, q], level)
        result[name] = bare._replace(low=low, high=high, star=low > 0.0 or high < 0.0)
    return result


def _run_shares(rng: np.random.Generator, runs: int, replicates: int) -> Floats:
    """Weight of each run in each replicate, (R, runs)."""
    return _shares(rng.integers(0, runs, size=(replicates, runs)), runs)


def _prompt_shares(rng: np.random.Generator, prompts: int, replicates: int) -> Floats:
    return _shares(prompt_indices(rng, prompts, replicates), prompts)


def _shares(indices: NDArray[np.int64], count: int) -> Floats:
    offset = indices + np.arange(len(indices))[:, None] * count
    counts = np.bincount(offset.ravel(), minlength=len(indices) * count).reshape(len(indices), count)
    shares: Floats = counts / count
    return shares
