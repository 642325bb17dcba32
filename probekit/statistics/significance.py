"""Tests at the prompt level: sign-flip permutation, equivalence, many dimensions at once, and sizes of effects."""

import itertools
import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

EXACT_PROMPTS: Final = 12
"""Up to so many prompts all 2^n sign patterns are tried."""


def sign_flip_p_values(contributions: Sequence[Floats], rng: np.random.Generator, permutations: int = 10_000) -> Floats:
    """Two-sided p-values of paired differences: under the null each prompt's difference is as likely negated.

    A prompt flips in all dimensions that it feeds at once, so that composites are tested with their covariance. One
    component of at most 12 prompts is tried in all patterns, others in random ones, counting the observed pattern.

    Args:
        contributions: for each component (P, Q), whose means over P add up to the differences; see
            `paired_units.contributions`.
        rng: of the random patterns.
        permutations: random patterns.

    Returns:
        p-values (Q,).
    """
    observed = np.abs(np.sum([part.mean(axis=0) for part in contributions], axis=0))
    reachable = observed * (1 - 1e-12)
    if len(contributions) == 1 and len(contributions[0]) <= EXACT_PROMPTS:
        (only,) = contributions
        signs = np.array(list(itertools.product((-1.0, 1.0), repeat=len(only))))
        exact: Floats = (np.abs(signs @ only / len(only)) >= reachable).mean(axis=0)
        return exact
    total = np.zeros((permutations, len(observed)))
    for part in contributions:
        total += (2.0 * rng.integers(0, 2, size=(permutations, len(part))) - 1.0) @ part / len(part)
    p_values: Floats = ((np.abs(total) >= reachable).sum(axis=0) + 1) / (permutations + 1)
    return p_values


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values (family-wise error), in the given order."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, running = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Benjamini and Hochberg's adjusted p-values (false discovery rate), in the given order."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i], reverse=True)
    adjusted, running = [0.0] * len(p_values), 1.0
    for position, index in enumerate(order):
        rank = len(p_values) - position
        running = min(running, p_values[index] * len(p_values) / rank)
        adjusted[index] = running
    return adjusted


class WinTieLoss(NamedTuple):
    """Prompts on which the method is better, equal and worse."""

    win: int
    tie: int
    loss: int


def win_tie_loss(differences: Floats) -> WinTieLoss:
    """Count the signs of prompt differences (P,)."""
    return WinTieLoss(int((differences > 0).sum()), int((differences == 0).sum()), int((differences < 0).sum()))


def standardised_effect(differences: Floats) -> float | None:
    """Mean of paired differences over their standard deviation (Cohen's d_z); None where all are equal."""
    spread = float(differences.std(ddof=1)) if len(differences) > 1 else 0.0
    return float(differences.mean()) / spread if spread > 0 else None


def equivalence_p_value(difference: float, error: float, margin: float, freedom: float) -> float:
    """Two one-sided t tests (TOST): p of |true difference| >= margin; small means equivalent within the margin.

    Args:
        difference: observed.
        error: its standard error; 0 gives 0 or 1.
        margin: positive.
        freedom: degrees of freedom.
    """
    if error == 0:
        return 0.0 if abs(difference) < margin else 1.0
    from scipy.stats import t

    return float(max(t.sf((difference + margin) / error, freedom), t.cdf((difference - margin) / error, freedom)))


def welch_freedom(influence: Sequence[Floats]) -> Floats:
    """Satterthwaite's degrees of freedom of each quantity's standard error, (Q,)."""
    parts = np.array([np.square(z).sum(axis=0) / len(z) ** 2 for z in influence])
    weights = np.array([max(len(z) - 1, 1) for z in influence], dtype=np.float64)[:, None]
    below = (parts**2 / weights).sum(axis=0)
    freedom: Floats = np.divide(parts.sum(axis=0) ** 2, below, out=np.full(below.shape, np.inf), where=below > 0)
    return freedom


def variance_shares(influence: Sequence[Floats], slopes: Floats, quantity: int, dimensions: int) -> Floats:
    """Share (K,) of each dimension in the variance of one quantity; shares sum to 1, covariances split in halves.

    Args:
        influence: of each component (P, Q), whose first K quantities are the dimensions themselves.
        slopes: (Q, K).
        quantity: row of the quantity.
        dimensions: K.
    """
    shares = np.zeros(dimensions)
    for z in influence:
        contribution = z[:, :dimensions] * slopes[quantity]
        shares += (contribution * contribution.sum(axis=1, keepdims=True)).sum(axis=0) / len(z) ** 2
    total = shares.sum()
    return shares / total if total > 0 and math.isfinite(total) else shares
