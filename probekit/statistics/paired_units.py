"""What is resampled: prompts with their scores, and which dimensions move together."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.evaluation.aggregation import aggregate_array
from probekit.evaluation.weighting import Weighting, prompt_sums
from probekit.suites.dimension_constants import DimensionConstant

Floats = NDArray[np.float64]

COMPOSITES = ("quality", "semantic", "total")

# Shape suffixes: M methods (the method, then the baseline), P prompts, K dimensions, S samples, Q quantities.


class PairedSamples(NamedTuple):
    """One dimension's scores of two methods on the same prompts.

    Attributes:
        prompt_ids: of the rows.
        values: (M, P, S), NaN where a sample is absent or not scored.
        denominators: (M, P, S), what each value was divided by (frames), for the frame-weighted mean; None: alike.
    """

    prompt_ids: tuple[str, ...]
    values: Floats
    denominators: Floats | None = None

    def prompt_means(self) -> Floats:
        """(M, P); NaN where a prompt has no scored sample."""
        counts = np.isfinite(self.values).sum(axis=-1)
        sums = np.where(np.isfinite(self.values), self.values, 0.0).sum(axis=-1)
        means: Floats = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
        return means


class Component(NamedTuple):
    """Dimensions that are resampled together, over the union of their prompts.

    A dimension's mean is the sum of numerators over the sum of denominators.

    Attributes:
        dimensions: K names.
        prompt_ids: of the P rows.
        numerator: (M, P, K).
        denominator: (M, P, K).
        samples: (M, P, K, S) single scores, NaN where absent; for resampling of seeds.
    """

    dimensions: tuple[str, ...]
    prompt_ids: tuple[str, ...]
    numerator: Floats
    denominator: Floats
    samples: Floats


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
        while touching := [other for other, pair in remaining.items() if prompts & set(pair.prompt_ids)]:
            for other in touching:
                members[other] = remaining.pop(other)
                prompts |= set(members[other].prompt_ids)
        components.append(_component(members, weighting))
    return components


def _component(members: Mapping[str, PairedSamples], weighting: Weighting) -> Component:
    """Join dimensions over the union of their prompts.

    Args:
        members: by name.
        weighting: of videos; where every prompt weighs alike, a prompt needs a score of both methods.
    """
    prompts = tuple(sorted({prompt for pair in members.values() for prompt in pair.prompt_ids}))
    row = {prompt: index for index, prompt in enumerate(prompts)}
    width = max(pair.values.shape[-1] for pair in members.values())
    samples = np.full((2, len(prompts), len(members), width), np.nan)
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
    """Mean of every dimension (M, K), components side by side."""
    return np.concatenate([c.numerator.sum(axis=1) / c.denominator.sum(axis=1) for c in components], axis=-1)


def quantity_slopes(
    dimensions: Sequence[str], constants: Sequence[DimensionConstant]
) -> tuple[tuple[str, ...], Floats]:
    """Names of dimensions and composites, and the change (Q, K) of each by one unit of each dimension's mean.

    Every composite is affine in the means, so differences of two unit vectors give its slopes exactly.
    """
    identity, zero = np.eye(len(dimensions)), np.zeros((1, len(dimensions)))
    at, base = (aggregate_array(means, tuple(dimensions), constants) for means in (identity, zero))
    names, rows = list(dimensions), [identity]
    for name in COMPOSITES:
        slope, origin = getattr(at, name), getattr(base, name)
        if slope is not None and origin is not None:
            names.append(name)
            rows.append((slope - origin)[None])
    return tuple(names), np.concatenate(rows)


def influences(components: Sequence[Component], slopes: Floats) -> list[Floats]:
    """Each prompt's first-order contribution (P, Q) to each quantity's difference, for each component.

    The quantity's difference varies, to first order in the resampling weights, as the mean of these over prompts; for
    plain means that is exact.
    """
    result, start = [], 0
    for component in components:
        end = start + len(component.dimensions)
        mean = component.numerator.sum(axis=1) / component.denominator.sum(axis=1)
        centred = component.numerator - mean[:, None] * component.denominator
        unit = centred / component.denominator.mean(axis=1)[:, None]
        result.append((unit[0] - unit[1]) @ slopes[:, start:end].T)
        start = end
    return result


def contributions(components: Sequence[Component], slopes: Floats) -> list[Floats]:
    """Each prompt's own share (P, Q) of each quantity's difference; means over prompts add up over components to it."""
    result, start = [], 0
    for component in components:
        end = start + len(component.dimensions)
        unit = component.numerator / component.denominator.mean(axis=1)[:, None]
        result.append((unit[0] - unit[1]) @ slopes[:, start:end].T)
        start = end
    return result


def closed_form_errors(influence: Sequence[Floats]) -> Floats:
    """Bootstrap standard error of each quantity (Q,) without resampling: sqrt(sum over components of var / n)."""
    variance = np.sum([np.square(z).sum(axis=0) / len(z) ** 2 for z in influence], axis=0)
    errors: Floats = np.sqrt(variance)
    return errors
