"""Bootstrap replicates of differences of dimension means: prompts as counts, training runs as weights of series."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.statistics.paired_units import Component, Runs

CHUNK_ELEMENTS = 200_000
"""Drawn prompts held at once: bounds memory, keeps counts in a processor's cache. Changes no result of one level."""

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


class Replicates(NamedTuple):
    """Replicates of one component.

    Attributes:
        differences: (R, K) of the dimensions; NaN where a replicate drew no scored prompt.
        variances: (R, Q) of each quantity's influence within the replicate, over prompts; None where not asked for.
    """

    differences: Floats
    variances: Floats | None = None


class Drawn(NamedTuple):
    """A component that is resampled, and what its replicates are asked for.

    Attributes:
        component: what is resampled.
        shares: (R, L) or (1, L) weight of each series in the difference.
        influence: (P, Q), to also get each replicate's own variance, for studentised intervals; None: not asked for.
    """

    component: Component
    shares: Floats
    influence: Floats | None = None


def prompt_indices(rng: np.random.Generator, n_prompts: int, replicates: int) -> Indices:
    """Prompts drawn with replacement, shape (replicates, n_prompts); drawing in parts gives the same rows."""
    return rng.integers(0, n_prompts, size=(replicates, n_prompts), dtype=np.int64)


def run_shares(rng: np.random.Generator, runs: Runs, replicates: int) -> Floats:
    """Weight (R, L) of each series in each replicate's difference: runs, or their pairs, drawn with replacement."""
    if runs.paired:
        share = draw_counts(prompt_indices(rng, runs.method, replicates), runs.method) / runs.method
        return np.concatenate([share, -share], axis=1)
    signed = []
    for count, sign in ((runs.method, 1.0), (runs.baseline, -1.0)):
        signed.append(draw_counts(prompt_indices(rng, count, replicates), count) * (sign / count))
    return np.concatenate(signed, axis=1)


def resample_prompts(members: Sequence[Drawn], replicates: int, rng: np.random.Generator) -> list[Replicates]:
    """Resample prompts with replacement, the same for all series and all dimensions of a component.

    Each replicate is a vector of counts, so that its sums are one matrix product for all series and dimensions.

    Args:
        members: components with equally many prompts, as of several methods against one baseline; all get these draws.
        replicates: how many.
        rng: consumed for (replicates, P) indices.
    """
    prompts = len(members[0].component.prompt_ids)
    parts = [_Sums.of(member) for member in members]
    columns = np.concatenate([part.columns for part in parts], axis=1)
    ends = np.cumsum([part.columns.shape[1] for part in parts])[:-1]
    found: list[list[Replicates]] = [[] for _ in members]
    for start, count in chunks(replicates, max(1, CHUNK_ELEMENTS // prompts)):
        sums = draw_counts(prompt_indices(rng, prompts, count), prompts) @ columns
        for part, own_sums, own in zip(parts, np.split(sums, ends, axis=1), found, strict=True):
            own.append(part.replicates(own_sums, start))
    return [_joined(own) for own in found]


class _Sums(NamedTuple):
    """What counts of prompts are multiplied with, and what their products mean.

    Attributes:
        columns: (P, L·K) numerators; then as many denominators, unless all are 1; then moments (P, 2·Q) of influence.
        shares: (R, L) or (1, L) weight of each series.
        even: whether all denominators are 1.
        series: L.
        dimensions: K.
    """

    columns: Floats
    shares: Floats
    even: bool
    series: int
    dimensions: int

    @classmethod
    def of(cls, member: Drawn) -> "_Sums":
        component, shares, z = member
        series, prompts, dimensions = component.numerator.shape
        even = bool((component.denominator == 1).all())
        kept = [component.numerator] if even else [component.numerator, component.denominator]
        columns = [np.moveaxis(part, 1, 0).reshape(prompts, -1) for part in kept]
        moments = [] if z is None else [z, np.square(z)]
        return cls(np.concatenate([*columns, *moments], axis=1), shares, even, series, dimensions)

    def replicates(self, sums: Floats, start: int) -> Replicates:
        """Replicates of these sums, of which the first is number `start`."""
        rows, prompts, width = len(sums), len(self.columns), self.series * self.dimensions
        top, rest = np.split(sums, [width], axis=1)
        means = top / prompts if self.even else ratio(top, rest[:, :width])
        moments = rest if self.even else rest[:, width:]
        shares = self.shares if len(self.shares) == 1 else self.shares[start : start + rows]
        differences = (shares[..., None] * means.reshape(rows, self.series, -1)).sum(axis=1)
        if not moments.shape[1]:
            return Replicates(differences)
        first, second = np.split(moments / prompts, 2, axis=1)
        return Replicates(differences, second - np.square(first))


def _joined(parts: Sequence[Replicates]) -> Replicates:
    variances = [part.variances for part in parts if part.variances is not None]
    return Replicates(
        np.concatenate([part.differences for part in parts]), np.concatenate(variances) if variances else None
    )


def replicate_errors(drawn: Sequence[Replicates], prompts: Sequence[int]) -> Floats | None:
    """Standard error (R, Q) of each replicate, from its variances over the prompts of each component."""
    parts = [one.variances / count for one, count in zip(drawn, prompts, strict=True) if one.variances is not None]
    return np.sqrt(np.maximum(np.sum(parts, axis=0), 0.0)) if parts else None


def draw_counts(indices: Indices, prompts: int) -> Floats:
    """How often each replicate drew each prompt, (R, P)."""
    rows = len(indices)
    offset = indices + np.arange(rows)[:, None] * prompts
    return np.bincount(offset.ravel(), minlength=rows * prompts).reshape(rows, prompts).astype(np.float64)


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Elementwise quotient; NaN where the denominator is not positive."""
    found: Floats = np.divide(numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator > 0)
    return found


def chunks(total: int, size: int) -> Iterator[tuple[int, int]]:
    """(start, count) of parts of a size, the last one smaller."""
    for start in range(0, total, size):
        yield start, min(size, total - start)
