"""The bootstrap in two levels: prompts, and within each drawn prompt its samples.

A draw of n samples out of n is one of n^n equally likely patterns, and all that matters of it is how often each sample
is in it. A prompt's mean under each such multiset is worked out once; a replicate is then a sum of table entries, one
for each drawn prompt, which is many times faster than drawing samples. With more than five samples the draw is split
into parts with a table each, and their sums add up.
"""

from collections.abc import Sequence
from functools import cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.statistics import resampling
from probekit.statistics.paired_units import Component
from probekit.statistics.resampling import Replicates, chunks, prompt_indices, ratio

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

MOST_PATTERNS: Final = 4096
"""Patterns of one part of a draw: as many as five samples have, 5^5, but not six."""


def resample_prompts_and_seeds(component: Component, replicates: int, rng: np.random.Generator) -> Replicates:
    """Resample prompts, and within each drawn prompt its samples; both methods and all dimensions draw the same.

    A replicate's dimension mean is the mean over drawn prompts of the mean of their drawn scored samples.

    Args:
        component: component of two series.
        replicates: how many.
        rng: random numbers of the draws.
    """
    packed = _packed(component.samples)
    available = np.isfinite(packed).any(axis=(0, 2)).sum(axis=-1)
    parts = max(len(_draws(int(count))) for count in np.unique(available))
    if parts == 1 or _is_whole(packed, available):
        tables = [_table(packed, available, part) for part in range(parts)]
        return _from_tables(tables, len(available), replicates, rng)
    return _sample_by_sample(packed, available, replicates, rng)


def _packed(samples: Floats) -> Floats:
    """Samples (L, P, K, S) with those columns first that have any score of their prompt."""
    absent = ~np.isfinite(samples).any(axis=(0, 2))
    order = np.argsort(absent, axis=-1, kind="stable")
    return np.take_along_axis(samples, order[None, :, None, :], axis=-1)


def _is_whole(packed: Floats, available: Indices) -> bool:
    """Whether every prompt has all its samples scored in each dimension that it has at all."""
    scored = np.isfinite(packed)
    beyond = np.arange(packed.shape[-1]) >= available[:, None]
    return bool((scored | ~scored.any(axis=(0, 3), keepdims=True) | beyond[:, None]).all())


def _draws(samples: int) -> tuple[int, ...]:
    """How many samples each part of a draw of n out of n takes."""
    most = 1
    while most < samples and samples ** (most + 1) <= MOST_PATTERNS:
        most += 1
    whole, rest = divmod(samples, most)
    return (*[most] * whole, *([rest] if rest else []))


class _Patterns(NamedTuple):
    """Draws of a few out of n samples.

    Attributes:
        counts: (n, multisets) how often each sample is in each multiset.
        multiset: (patterns,) the multiset of each ordered pattern; patterns are equally likely.
    """

    counts: Floats
    multiset: Indices


@cache
def _patterns(samples: int, draws: int) -> _Patterns:
    ordered = np.indices((samples,) * draws).reshape(draws, -1)
    counts = (ordered[:, None] == np.arange(samples)[:, None]).sum(axis=0)
    distinct, multiset = np.unique(counts, axis=1, return_inverse=True)
    return _Patterns(distinct.astype(np.float64), multiset.reshape(-1).astype(np.int64))


class _Table(NamedTuple):
    """What each multiset of each prompt adds to sums over drawn prompts.

    Attributes:
        differences: (K, rows); 0 where a series has no drawn score.
        scored: (K, rows), 1 where all series have one, else 0; counted for the first part of a draw only.
        first_row: (P,) first row of each prompt.
        multisets: multisets of the patterns of prompts with 1, 2, ... samples, one after the other.
        first_pattern: (P,) where those of each prompt begin.
        patterns: (P,) how many they are.
    """

    differences: Floats
    scored: Floats
    first_row: Indices
    multisets: Indices
    first_pattern: Indices
    patterns: Indices

    def rows(self, rng: np.random.Generator, prompts: Indices) -> Indices:
        """A row for each drawn prompt: one of its patterns, all equally likely."""
        if len(self.multisets) == self.patterns[0]:  # of all prompts
            drawn = rng.integers(0, self.patterns[0], size=prompts.shape, dtype=np.int64)
        else:
            drawn = (rng.random(prompts.shape) * self.patterns[prompts]).astype(np.int64) + self.first_pattern[prompts]
        return self.multisets.take(drawn) + self.first_row.take(prompts)


def _table(packed: Floats, available: Indices, part: int) -> _Table:
    """The table of one part of the draws, prompts with equally many samples together."""
    differences, scored, multisets = [], [], []
    first_row, first_pattern, sizes = (np.zeros(len(available), dtype=np.int64) for _ in range(3))
    row = pattern = 0
    for samples in map(int, np.unique(available)):
        chosen = np.flatnonzero(available == samples)
        draws = _draws(samples)
        drawn = _patterns(samples, draws[part]) if part < len(draws) else _nothing(samples)
        means, both = _means(packed[:, chosen, :, :samples], drawn.counts, whole_draw=len(draws) == 1)
        differences.append(_by_dimension((means[0] - means[1]) * both))
        scored.append(_by_dimension(both * float(part == 0)))
        multisets.append(drawn.multiset)
        first_row[chosen] = row + np.arange(len(chosen)) * drawn.counts.shape[1]
        first_pattern[chosen], sizes[chosen] = pattern, len(drawn.multiset)
        row += len(chosen) * drawn.counts.shape[1]
        pattern += len(drawn.multiset)
    return _Table(
        np.concatenate(differences, axis=1),
        np.concatenate(scored, axis=1),
        first_row,
        np.concatenate(multisets),
        first_pattern,
        sizes,
    )


def _nothing(samples: int) -> _Patterns:
    """The one way to draw no sample, for prompts whose draw has fewer parts than others'."""
    return _Patterns(np.zeros((samples, 1)), np.zeros(1, dtype=np.int64))


def _means(own: Floats, counts: Floats, *, whole_draw: bool) -> tuple[Floats, Floats]:
    """Part of the mean of each series, prompt and dimension under each multiset (L, P, K, J); where all have one."""
    found = np.isfinite(own)
    drawn = found.astype(np.float64) @ counts
    below = drawn if whole_draw else np.broadcast_to(found.sum(axis=-1, keepdims=True), drawn.shape)
    sums = np.where(found, own, 0.0) @ counts
    means: Floats = np.divide(sums, below, out=np.zeros_like(sums), where=below > 0)
    return means, np.where((below > 0).all(axis=0), 1.0, 0.0)


def _by_dimension(values: Floats) -> Floats:
    """(P, K, J) to (K, P·J)."""
    return np.moveaxis(values, 1, 0).reshape(values.shape[1], -1)


def _from_tables(tables: Sequence[_Table], prompts: int, replicates: int, rng: np.random.Generator) -> Replicates:
    dimensions = len(tables[0].differences)
    always = [bool(row.all()) for row in tables[0].scored]
    found = np.empty((replicates, dimensions))
    for start, count in chunks(replicates, max(1, resampling.CHUNK_ELEMENTS // prompts)):
        drawn = prompt_indices(rng, prompts, count)
        rows = [table.rows(rng, drawn) for table in tables]
        for k in range(dimensions):
            top = sum(table.differences[k].take(own).sum(axis=1) for table, own in zip(tables, rows, strict=True))
            below = np.full(count, float(prompts)) if always[k] else tables[0].scored[k].take(rows[0]).sum(axis=1)
            found[start : start + count, k] = ratio(top, below)
    return Replicates(found)


def _sample_by_sample(packed: Floats, available: Indices, replicates: int, rng: np.random.Generator) -> Replicates:
    """The same draws one by one: where many samples meet missing scores, a mean is no sum of parts."""
    prompts, width = packed.shape[1], packed.shape[-1]
    differences = []
    for _, count in chunks(replicates, max(1, resampling.CHUNK_ELEMENTS // (prompts * width * packed.shape[2]))):
        chosen = prompt_indices(rng, prompts, count)
        seeds = (rng.random((count, prompts, width)) * available[chosen][..., None]).astype(np.int64)
        taken = (np.arange(width) < available[chosen][..., None])[..., None, None]
        drawn = packed[:, chosen[..., None], :, seeds]  # (R, P, S, L, K): advanced axes come first
        differences.append(_nested_difference(np.where(taken, drawn, np.nan)))
    return Replicates(np.concatenate(differences))


def _nested_difference(drawn: Floats) -> Floats:
    """(R, P, S, L, K) to (R, K): mean over scored samples, then over prompts that both methods have."""
    scored = np.isfinite(drawn)
    within = ratio(np.where(scored, drawn, 0.0).sum(axis=2), scored.sum(axis=2).astype(np.float64))
    both = np.isfinite(within).all(axis=2)
    differences = np.where(both, within[:, :, 0] - within[:, :, 1], 0.0)
    return ratio(differences.sum(axis=1), both.sum(axis=1).astype(np.float64))
