"""How each independent unit (a prompt, a training run, a sample) moves a difference, and the errors that follow.

Every quantity is a mean, or affine in means, so that its variance needs no resampling: it is the sum over kinds of
units of the variance of their influence divided by their number.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.statistics.paired_units import Component, Runs, point_means

Floats = NDArray[np.float64]

# Axes as in `paired_units`: L series, P prompts, K dimensions, S samples, Q quantities; N units.


class Units(NamedTuple):
    """Independent units of one kind.

    Attributes:
        influence: (N, Q) each unit's centred contribution to each quantity's difference, which varies to first order
            in the resampling weights as their mean.
        active: (Q,) how many of them bear on the quantity; of a composite, on that of its dimensions with the fewest.
        freedom: (Q,) degrees of freedom of their spread. Infinite for a part of the bootstrap's variance that the
            unbiased variances of other units contain already.
    """

    influence: Floats
    active: Floats
    freedom: Floats

    def of(self, quantity: int) -> "Units":
        """The same units for one quantity alone, Q = 1."""
        chosen = slice(quantity, quantity + 1)
        return Units(self.influence[:, chosen], self.active[chosen], self.freedom[chosen])


def influences(components: Sequence[Component], slopes: Floats, runs: Runs | None = None) -> list[Floats]:
    """Each prompt's first-order contribution (P, Q) to each quantity's difference, for each component.

    The quantity's difference varies, to first order in the resampling weights, as the mean of these over prompts; for
    plain means that is exact.
    """
    signs = (runs or Runs()).signs()
    return [
        np.tensordot(signs, component.centred(), axes=1) @ own.T
        for component, own in zip(components, own_slopes(components, slopes), strict=True)
    ]


def prompt_units(components: Sequence[Component], slopes: Floats, runs: Runs | None = None) -> list[Units]:
    """The prompts of each component as units."""
    found = []
    for component, own, z in zip(
        components, own_slopes(components, slopes), influences(components, slopes, runs), strict=True
    ):
        prompts = np.where(own != 0, component.scored_prompts(), len(z)).min(axis=1).astype(np.float64)
        found.append(Units(z, prompts, np.maximum(prompts - 1, 1)))
    return found


def run_units(components: Sequence[Component], slopes: Floats, runs: Runs) -> list[Units]:
    """The training runs of each method, or their pairs, as units, and what is left of each one's prompts beside both.

    The bootstrap draws runs and prompts crosswise, so that its variance has a third part, the interaction; the spread
    of runs and the spread of prompts each contain it already.
    """
    slopes_of = zip(components, own_slopes(components, slopes), strict=True)
    values = [point_means(components) @ slopes.T, *(component.centred() @ own.T for component, own in slopes_of)]
    found = []
    for scores, *parts in zip(*(_by_draw(one, runs) for one in values), strict=True):
        found.append(_alike(scores - scores.mean(axis=0), len(scores) - 1))
        for each in parts:
            found.append(_alike((each - each.mean(axis=0)).reshape(-1, each.shape[-1]), np.inf))
    return found


def _by_draw(values: Floats, runs: Runs) -> list[Floats]:
    """What the runs (L, ...) add to the difference, those together that are drawn from each other's place."""
    method, baseline = np.split(values, [runs.method])
    return [method - baseline] if runs.paired else [method, -baseline]


def seed_units(components: Sequence[Component], slopes: Floats) -> list[Units]:
    """The samples within prompts as units of a bootstrap in two levels, in which prompts weigh alike."""
    found = []
    for component, own in zip(components, own_slopes(components, slopes), strict=True):
        scored = np.isfinite(component.samples) & (component.denominator > 0)[..., None]
        counts = scored.sum(axis=-1, keepdims=True).astype(np.float64)
        values, some = np.where(scored, component.samples, 0.0), counts > 0
        means = np.divide(values.sum(axis=-1, keepdims=True), counts, out=np.zeros_like(counts), where=some)
        share = np.divide(values.shape[-1], counts, out=np.zeros_like(counts), where=some)
        rest = (values - means) * scored * share / component.denominator.mean(axis=1)[:, None, :, None]
        each = np.moveaxis(rest[0] - rest[1], 1, 2).reshape(-1, own.shape[1]) @ own.T
        found.append(_alike(each, float((scored.any(axis=(0, 2)).sum(axis=-1) - 1).clip(min=0).sum())))
    return found


def contributions(components: Sequence[Component], slopes: Floats) -> list[Floats]:
    """Each prompt's own share (P, Q) of each quantity's difference; means over prompts add up over components to it."""
    result = []
    for component, own in zip(components, own_slopes(components, slopes), strict=True):
        unit = component.numerator / component.denominator.mean(axis=1)[:, None]
        result.append((unit[0] - unit[1]) @ own.T)
    return result


def own_slopes(components: Sequence[Component], slopes: Floats) -> list[Floats]:
    """The columns (Q, K) of each component."""
    ends = np.cumsum([len(component.dimensions) for component in components])
    return np.split(slopes, ends[:-1], axis=1)


def closed_form_errors(units: Sequence[Units]) -> Floats:
    """Bootstrap standard error of each quantity (Q,) without resampling: sqrt(sum over kinds of units of var / n)."""
    errors: Floats = np.sqrt(_variances(units).sum(axis=0))
    return errors


def unbiased_errors(units: Sequence[Units]) -> Floats:
    """Standard error of each quantity (Q,) as a t test has it, with n - 1."""
    errors: Floats = np.sqrt(_unbiased_variances(units).sum(axis=0))
    return errors


def welch_freedom(units: Sequence[Units]) -> Floats:
    """Satterthwaite's degrees of freedom of each quantity's unbiased standard error, (Q,)."""
    parts = _unbiased_variances(units)
    freedoms = np.array([one.freedom for one in units])
    below = (parts**2 / freedoms).sum(axis=0)
    freedom: Floats = np.divide(parts.sum(axis=0) ** 2, below, out=np.full(below.shape, np.inf), where=below > 0)
    return freedom


def score_sizes(components: Sequence[Component], slopes: Floats) -> Floats:
    """How large scores are, in the unit of each quantity (Q,): what their rounding is measured by."""
    sizes = [np.nanmax(np.abs(component.samples), axis=(0, 1, 3)) for component in components]
    found: Floats = np.abs(slopes) @ np.concatenate(sizes)
    return found


def _alike(influence: Floats, freedom: float) -> Units:
    """Units that all bear on every quantity; a spread without freedom has none, and any freedom does."""
    quantities = influence.shape[1]
    return Units(influence, np.full(quantities, float(len(influence))), np.full(quantities, max(freedom, 1.0)))


def _variances(units: Sequence[Units]) -> Floats:
    """(U, Q) of each kind of units."""
    return np.array([np.square(one.influence).sum(axis=0) / len(one.influence) ** 2 for one in units])


def _unbiased_variances(units: Sequence[Units]) -> Floats:
    variances: Floats = _variances(units) * np.array([one.active / one.freedom for one in units])
    return variances
