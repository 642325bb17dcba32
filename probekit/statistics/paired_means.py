"""One mean against another on the same prompts, by the paired bootstrap over prompts."""

import numpy as np
from numpy.typing import NDArray

from probekit.statistics.difference_estimate import DifferenceEstimate, estimate_difference, unscored_difference
from probekit.statistics.resampling import prompt_indices

Floats = NDArray[np.float64]


def paired_means(
    name: str, a: Floats, b: Floats, *, rng: np.random.Generator, replicates: int = 10_000, level: float = 0.95
) -> DifferenceEstimate:
    """Difference of the means of `a` and `b`, (P,) each, prompts resampled together.

    With fewer than six prompts there is no interval, with fewer than two no standard error, as everywhere.
    """
    assert a.shape == b.shape
    if not len(a):
        return unscored_difference(name)
    both = np.stack([a, b])
    drawn = both[:, prompt_indices(rng, len(a), replicates)].mean(axis=-1)
    return estimate_difference(name, both.mean(axis=1), drawn, len(a), level, "raw")
