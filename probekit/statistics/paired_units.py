"""What is resampled: prompts with their scores, and which dimensions move together."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.choices import Weighting
from probekit.evaluation.aggregation import COMPOSITES, aggregate_array
from probekit.evaluation.weighting import prompt_sums
from probekit.suites.dimension_constants import DimensionConstant

Floats = NDArray[np.float64]


# Axes: L series (a training run each: those of the method, then those of the baseline), M methods (the method, then the
# baseline), P prompts, K dimensions, S samples, Q quantities (dimensions, then composites).


class Runs(NamedTuple):
    """Training runs of the two methods; a method's score is the mean of its runs' scores.

    Attributes:
        method: how many of the method.
        baseline: how many of the baseline.
        paired: whether the k-th runs of both are a pair; there are equally many then.
    """

    method: int = 1
    baseline: int = 1
    paired: bool = False

    def signs(self) -> Floats:
        """Weight (L,) of each series in the difference of the two methods."""
        return np.repeat([1.0 / self.method, -1.0 / self.baseline], [self.method, self.baseline])


class PairedSamples(NamedTuple):
    """One dimension's scores of both methods on the same prompts.

    Attributes:
        prompt_ids: identifiers of the rows.
        values: (L, P, S), NaN where a sample is absent or not scored; a column is one sample index, shared by all.
        denominators: (L, P, S), what each value was divided by (frames), for the frame-weighted mean; None: alike.
    """

    prompt_ids: tuple[str, ...]
    values: Floats
    denominators: Floats | None = None

    def prompt_means(self) -> Floats:
        """(L, P); NaN where a prompt has no scored sample."""
        counts = np.isfinite(self.values).sum(axis=-1)
        sums = np.where(np.isfinite(self.values), self.values, 0.0).sum(axis=-1)
        means: Floats = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
        return means


class Component(NamedTuple):
    """Dimensions that are resampled together, over the union of their prompts.

    A dimension's mean is the sum of numerators over the sum of denominators.

    Attributes:
        dimensions: K names.
        prompt_ids: identifiers of the P rows.
        numerator: (L, P, K).
        denominator: (L, P, K).
        samples: (L, P, K, S) single scores, NaN where absent; for resampling of seeds.
    """

    dimensions: tuple[str, ...]
    prompt_ids: tuple[str, ...]
    numerator: Floats
    denominator: Floats
    samples: Floats

    def means(self) -> Floats:
        """Mean of each series and dimension (L, K)."""
        means: Floats = self.numerator.sum(axis=1) / self.denominator.sum(axis=1)
        return means

    def centred(self) -> Floats:
        """Each prompt's first-order contribution (L, P, K) to each mean; means over prompts are 0."""
        rest = self.numerator - self.means()[:, None] * self.denominator
        unit: Floats = rest / self.denominator.mean(axis=1)[:, None]
        return unit

    def scored_prompts(self) -> NDArray[np.int64]:
        """Prompts that every series has a score for, by dimension (K,)."""
        counts: NDArray[np.int64] = (self.denominator > 0).all(axis=0).sum(axis=0)
        return counts


def split_by_dimension(pairs: Mapping[str, PairedSamples], weighting: Weighting = "prompt-mean") -> list[Component]:
    """The paper's protocol: every dimension by itself."""
    return [_component({name: pair}, weighting) for name, pair in pairs.items()]


def split_by_shared_prompts(
    pairs: Mapping[str, PairedSamples], weighting: Weighting = "prompt-mean"
) -> list[Component]:
    """Dimensions that share prompts, directly or through others, move together: the same videos feed them."""
    remaining = dict(pairs)
    components = []
    while remaining:
        name, first = next(iter(remaining.items()))
        members, prompts = {name: remaining.pop(name)}, set(first.prompt_ids)
        while touching := [other for other, pair in remaining.items() if not prompts.isdisjoint(pair.prompt_ids)]:
            for other in touching:
                members[other] = remaining.pop(other)
                prompts |= set(members[other].prompt_ids)
        components.append(_component(members, weighting))
    return components


def _component(members: Mapping[str, PairedSamples], weighting: Weighting) -> Component:
    """Join dimensions over the union of their prompts.

    Args:
        members: members by name.
        weighting: weighting of videos; where every prompt weighs alike, a prompt needs a score in every series.
    """
    prompts = tuple(sorted({prompt for pair in members.values() for prompt in pair.prompt_ids}))
    row = {prompt: index for index, prompt in enumerate(prompts)}
    series = next(iter(members.values())).values.shape[0]
    width = max(pair.values.shape[-1] for pair in members.values())
    samples = np.full((series, len(prompts), len(members), width), np.nan)
    denominators = np.ones_like(samples)
    for k, pair in enumerate(members.values()):
        rows = [row[prompt] for prompt in pair.prompt_ids]
        samples[:, rows, k, : pair.values.shape[-1]] = pair.values
        if pair.denominators is not None:
            denominators[:, rows, k, : pair.values.shape[-1]] = pair.denominators
    sums, totals = prompt_sums(samples, weighting, denominators)
    if weighting == "prompt-mean":
        both = (totals > 0).all(axis=0)
        sums, totals = np.where(both, sums, 0.0), np.broadcast_to(both, totals.shape).astype(np.float64)
    return Component(tuple(members), prompts, sums, totals, samples)


def point_means(components: Sequence[Component]) -> Floats:
    """Mean of every series and dimension (L, K), components side by side."""
    return np.concatenate([component.means() for component in components], axis=-1)


def method_means(means: Floats, runs: Runs) -> Floats:
    """Means of series (L, ...) as means of methods (2, ...)."""
    return np.stack([means[: runs.method].mean(axis=0), means[runs.method :].mean(axis=0)])


def with_composites(means: Floats, dimensions: Sequence[str], constants: Sequence[DimensionConstant]) -> Floats:
    """Scores (..., Q) from dimension means (..., K): the means themselves, then the composites that they give."""
    found = aggregate_array(means, tuple(dimensions), constants)
    composites = [getattr(found, name) for name in COMPOSITES]
    return np.concatenate([means, *(score[..., None] for score in composites if score is not None)], axis=-1)


def quantity_slopes(
    dimensions: Sequence[str], constants: Sequence[DimensionConstant]
) -> tuple[tuple[str, ...], Floats]:
    """Names of dimensions and composites, and the change (Q, K) of each by one unit of each dimension's mean.

    Every composite is affine in the means, so differences of two unit vectors give its slopes exactly.
    """
    identity, zero = np.eye(len(dimensions)), np.zeros((1, len(dimensions)))
    found = aggregate_array(zero, tuple(dimensions), constants)
    names = (*dimensions, *(name for name in COMPOSITES if getattr(found, name) is not None))
    at, base = (with_composites(means, dimensions, constants) for means in (identity, zero))
    return names, (at - base).T
