"""Bootstrap replicates of dimension means: prompts as counts, and seeds within prompts where asked."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.statistics.paired_units import Component

CHUNK_ELEMENTS = 1_000_000
"""Resampled scores held at once; bounds memory, does not change results."""

Floats = NDArray[np.float64]


class Replicates(NamedTuple):
    """Replicates of one component.

    Attributes:
        means: (2, R, K); NaN where a replicate drew no scored prompt.
        variances: (R, Q) of each quantity's influence within the replicate, over prompts; None where not asked for.
    """

    means: Floats
    variances: Floats | None


def prompt_indices(rng: np.random.Generator, n_prompts: int, replicates: int) -> NDArray[np.int64]:
    """Prompts drawn with replacement, shape (replicates, n_prompts); drawing in parts gives the same rows."""
    return rng.integers(0, n_prompts, size=(replicates, n_prompts), dtype=np.int64)


def resample_prompts(
    component: Component, replicates: int, rng: np.random.Generator, influence: Floats | None = None
) -> Replicates:
    """Resample prompts with replacement, the same for both methods and all dimensions of the component.

    Each replicate is a vector of counts, so that its sums are one matrix product for all methods and dimensions.

    Args:
        component: what is resampled.
        replicates: how many.
        rng: consumed for (replicates, P) indices.
        influence: (P, Q), to also get each replicate's own variance, for studentised intervals.
    """
    prompts = len(component.prompt_ids)
    flat = [np.moveaxis(part, 1, 0).reshape(prompts, -1) for part in (component.numerator, component.denominator)]
    sums = np.concatenate(flat, axis=1)
    moments = None if influence is None else np.concatenate([influence, np.square(influence)], axis=1)
    means, variances = [], []
    for count in _chunks(replicates, max(1, CHUNK_ELEMENTS // prompts)):
        counts = _counts(prompt_indices(rng, prompts, count), prompts)
        numerator, denominator = np.split(counts @ sums, 2, axis=1)
        means.append(_ratio(numerator, denominator))
        if moments is not None:
            first, second = np.split(counts @ moments / prompts, 2, axis=1)
            variances.append(second - np.square(first))
    joined = np.concatenate(means).reshape(replicates, 2, -1)
    return Replicates(np.moveaxis(joined, 1, 0), np.concatenate(variances) if moments is not None else None)


def resample_prompts_and_seeds(component: Component, replicates: int, rng: np.random.Generator) -> Replicates:
    """Resample prompts, and within each drawn prompt its samples; both methods and all dimensions draw the same.

    A replicate's dimension mean is the mean over drawn prompts of the mean of their drawn scored samples.
    """
    prompts, width = len(component.prompt_ids), component.samples.shape[-1]
    per_prompt = np.isfinite(component.samples).any(axis=(0, 2)).sum(axis=-1)
    means = []
    for count in _chunks(replicates, max(1, CHUNK_ELEMENTS // (prompts * width * len(component.dimensions)))):
        chosen = prompt_indices(rng, prompts, count)
        seeds = (rng.random((count, prompts, width)) * per_prompt[chosen][..., None]).astype(np.int64)
        drawn = component.samples[:, chosen[..., None], :, seeds]  # (count, P, S, 2, K): advanced axes come first
        means.append(_nested_mean(drawn))
    joined = np.concatenate(means)
    return Replicates(np.moveaxis(joined, 1, 0), None)


def _nested_mean(drawn: Floats) -> Floats:
    """(R, P, S, 2, K) to (R, 2, K): mean over scored samples, then over prompts that both methods have."""
    scored = np.isfinite(drawn)
    within = _ratio(np.where(scored, drawn, 0.0).sum(axis=2), scored.sum(axis=2).astype(np.float64))
    both = np.isfinite(within).all(axis=2, keepdims=True)
    used = np.where(both, within, 0.0).sum(axis=1)
    return _ratio(used, np.broadcast_to(both.sum(axis=1), used.shape).astype(np.float64))


def _counts(indices: NDArray[np.int64], prompts: int) -> Floats:
    """How often each replicate drew each prompt, (R, P)."""
    rows = len(indices)
    offset = indices + np.arange(rows)[:, None] * prompts
    return np.bincount(offset.ravel(), minlength=rows * prompts).reshape(rows, prompts).astype(np.float64)


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    ratio: Floats = np.divide(numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator > 0)
    return ratio


def _chunks(total: int, size: int) -> Iterator[int]:
    for start in range(0, total, size):
        yield min(size, total - start)
