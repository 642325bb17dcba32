"""Whether one item stands out among items of its kind, prompt by prompt: an exchange test, with effect and interval."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.statistics.difference_estimate import DifferenceEstimate
from probekit.statistics.paired_means import paired_means
from probekit.statistics.resampling import chunks
from probekit.statistics.significance import standardised_effect

Floats = NDArray[np.float64]
_DRAWS_AT_ONCE = 500
_TIE = 1e-9


class ExchangeTest(NamedTuple):
    """What prompts say of the candidate.

    Attributes:
        estimate: mean over prompts of the others' mean value (`a`) minus the candidate's (`b`), with its interval.
        effect: estimate over its standard deviation over prompts (Cohen's d_z); None where all are equal.
        p_value: two-sided; None with fewer than two prompts.
    """

    estimate: DifferenceEstimate
    effect: float | None
    p_value: float | None


def exchange_test(
    name: str, values: Floats, *, rng: np.random.Generator, permutations: int = 10_000, replicates: int = 10_000
) -> ExchangeTest:
    """Test that a candidate is one more item of its prompt.

    Under that null the candidate may change places with any item of its prompt, independently over prompts. The
    statistic is the mean over prompts of the others' mean value minus the candidate's. The observed places count as one
    of the draws, so the test holds its level for any number of prompts and items.

    Args:
        name: what is tested.
        values: (P, 1 + F), the candidate's value first. A value is to be made of the items in the same way for each.
        rng: random numbers of permutations and replicates.
        permutations: random places.
        replicates: replicates of the interval.
    """
    others = values[:, 1:].mean(axis=1)
    estimate = paired_means(name, others, values[:, 0], rng=rng, replicates=replicates)
    effect = standardised_effect(others - values[:, 0], float(np.abs(values).max(initial=0.0)))
    if len(values) < 2:
        return ExchangeTest(estimate, effect, None)
    return ExchangeTest(estimate, effect, _p_value(values, rng, permutations))


def _p_value(values: Floats, rng: np.random.Generator, permutations: int) -> float:
    items = values.shape[1]
    contrasts = (values.sum(axis=1, keepdims=True) - values) / (items - 1) - values
    observed = abs(float(contrasts[:, 0].mean()))
    reachable = observed - _TIE * float(np.abs(values).max())
    rows, reached = np.arange(len(values)), 0
    for _, count in chunks(permutations, _DRAWS_AT_ONCE):
        drawn = contrasts[rows, rng.integers(0, items, size=(count, len(values)))].mean(axis=1)
        reached += int((np.abs(drawn) >= reachable).sum())
    return (reached + 1) / (permutations + 1)
