"""Tests at the prompt level: sign-flip permutation, equivalence, many dimensions at once, and sizes of effects."""

import itertools
import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.statistics.influence import own_slopes, score_sizes
from probekit.statistics.interval_choice import ROUNDING
from probekit.statistics.intervals import t_tail
from probekit.statistics.paired_units import Component
from probekit.statistics.resampling import chunks, ratio

Floats = NDArray[np.float64]

EXACT_PROMPTS: Final = 12
"""Most prompts n for which all 2^n sign patterns are tried."""
_PATTERNS_AT_ONCE: Final = 1000
_TIE: Final = 1e-9
"""Differences that are closer than this part of the scores are equal but for the order of adding."""


def sign_flip_p_values(
    components: Sequence[Component], slopes: Floats, rng: np.random.Generator, permutations: int = 10_000
) -> Floats:
    """Two-sided p-values of paired differences: under the null the two methods' scores of a prompt may be swapped.

    A prompt is swapped in all dimensions that it feeds at once, so that composites are tested with their covariance;
    numerators go with their denominators. One component of at most 12 prompts is tried in all patterns, others in
    random ones, counting the observed pattern.

    Args:
        components: components of two series each.
        slopes: (Q, K) of the quantities.
        rng: random numbers of the random patterns.
        permutations: random patterns.

    Returns:
        p-values (Q,).
    """
    sizes = [len(component.prompt_ids) for component in components]
    observed = _differences(components, slopes, [np.ones((1, size)) for size in sizes])[0]
    reachable = observed - _TIE * score_sizes(components, slopes)
    if len(sizes) == 1 and sizes[0] <= EXACT_PROMPTS:
        every = [np.array(list(itertools.product((-1.0, 1.0), repeat=sizes[0])))]
        reached = _reached(components, slopes, every, reachable)
        return reached / len(every[0])
    total = np.zeros(len(slopes))
    for _, count in chunks(permutations, _PATTERNS_AT_ONCE):
        signs = [np.where(rng.integers(0, 2, size=(count, size)) == 1, 1.0, -1.0) for size in sizes]
        total += _reached(components, slopes, signs, reachable)
    return (total + 1) / (permutations + 1)


def _reached(components: Sequence[Component], slopes: Floats, signs: Sequence[Floats], reachable: Floats) -> Floats:
    """How many patterns give at least this difference (Q,).

    A pattern that leaves one side without any score has no difference; it counts, which is the careful way.
    """
    counts: Floats = (~(_differences(components, slopes, signs) < reachable)).sum(axis=0).astype(np.float64)
    return counts


def _differences(components: Sequence[Component], slopes: Floats, signs: Sequence[Floats]) -> Floats:
    """Absolute differences (B, Q) of the two series under patterns (B, P) for each component."""
    own = own_slopes(components, slopes)
    parts = [_swapped(part, pattern) @ slope.T for part, pattern, slope in zip(components, signs, own, strict=True)]
    found: Floats = np.abs(np.sum(parts, axis=0))
    return found


def _swapped(component: Component, signs: Floats) -> Floats:
    """Differences (B, K) of the two series' means where prompts with a sign of -1 (B, P) change sides."""
    numerators, denominators = component.numerator, component.denominator
    top, below = (part.sum(axis=(0, 1)) / 2 for part in (numerators, denominators))
    shift = signs @ (numerators[0] - numerators[1]) / 2
    if (denominators[0] == denominators[1]).all():
        even: Floats = 2 * shift / below
        return even
    uneven = signs @ (denominators[0] - denominators[1]) / 2
    return ratio(top + shift, below + uneven) - ratio(top - shift, below - uneven)


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


def win_tie_loss(differences: Floats, size: float = 0.0) -> WinTieLoss:
    """Count the signs of prompt differences (P,); those within rounding of scores of this size are ties."""
    least = ROUNDING * size
    wins, losses = int((differences > least).sum()), int((differences < -least).sum())
    return WinTieLoss(wins, len(differences) - wins - losses, losses)


def standardised_effect(differences: Floats, size: float = 0.0) -> float | None:
    """Mean of paired differences over their standard deviation (Cohen's d_z); None where all are equal.

    Args:
        differences: differences of prompts, (P,).
        size: how large the scores are; a spread within their rounding is none.
    """
    spread = float(differences.std(ddof=1)) if len(differences) > 1 else 0.0
    return float(differences.mean()) / spread if spread > ROUNDING * size else None


def equivalence_p_value(difference: float, error: float, margin: float, freedom: float) -> float | None:
    """Two one-sided t tests (TOST): p of |true difference| >= margin; small means equivalent within the margin.

    Args:
        difference: observed.
        error: its unbiased standard error (with n - 1), as the t distribution asks.
        margin: positive.
        freedom: degrees of freedom.

    Returns:
        None where the error is 0, since a sample without spread says nothing of the spread that there is.
    """
    if error == 0:
        return None
    return max(t_tail((difference + margin) / error, freedom), t_tail((margin - difference) / error, freedom))


def variance_shares(influence: Sequence[Floats], slopes: Floats, quantity: int, dimensions: int) -> Floats:
    """Share (K,) of each dimension in the variance of one quantity; shares sum to 1, covariances split in halves.

    Args:
        influence: influence of each component (P, Q), whose first K quantities are the dimensions themselves.
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
