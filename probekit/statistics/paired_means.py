"""One mean against another on the same prompts, by the paired bootstrap over prompts."""

import numpy as np
from numpy.typing import NDArray

from probekit.choices import IntervalKind
from probekit.statistics.difference_estimate import DifferenceEstimate, estimate_difference, unscored_difference
from probekit.statistics.influence import Units
from probekit.statistics.interval_choice import Evidence
from probekit.statistics.resampling import prompt_indices

Floats = NDArray[np.float64]


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

    Intervals follow the rule of every comparison, see `choose_interval`.
    """
    assert a.shape == b.shape
    if not len(a):
        return unscored_difference(name)
    differences = a - b
    mean = float(differences.mean())
    count = np.array([float(len(a))])
    units = Units((differences - mean)[:, None], count, np.maximum(count - 1, 1))
    size = float(np.abs([a, b]).max())
    drawn = differences[prompt_indices(rng, len(a), replicates)].mean(axis=-1)
    evidence = Evidence(mean, drawn, [units], size, len(a))
    scores = float(a.mean()), float(b.mean())
    return estimate_difference(name, scores, evidence, interval=interval, level=level, unit="raw")
