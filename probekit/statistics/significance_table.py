"""Everything about one difference beyond its interval: p-values, effect sizes, wins, shares of the variance."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.choices import Weighting
from probekit.evaluation.aggregation import COMPOSITES
from probekit.seeding import generator
from probekit.statistics.group_bootstrap import is_scored
from probekit.statistics.influence import influences, prompt_units, score_sizes, unbiased_errors, welch_freedom
from probekit.statistics.interval_choice import NO_SPREAD, ROUNDING
from probekit.statistics.paired_units import (
    PairedSamples,
    point_means,
    quantity_slopes,
    split_by_shared_prompts,
)
from probekit.statistics.significance import (
    benjamini_hochberg,
    equivalence_p_value,
    holm,
    sign_flip_p_values,
    standardised_effect,
    variance_shares,
    win_tie_loss,
)
from probekit.suites.dimension_constants import DimensionConstant

Floats = NDArray[np.float64]
ONE_PROMPT = "one prompt has no spread"


class SignificanceRow(NamedTuple):
    """One quantity of a method against the baseline.

    Attributes:
        quantity: dimension or composite.
        difference: method minus baseline, in the quantity's own unit (composites in percent).
        standard_error: standard error of prompts that are drawn jointly, with n - 1; None with one prompt.
        p_value: sign-flip permutation at the prompt level, two-sided.
        holm: adjusted over the dimensions (family-wise); None for composites.
        benjamini_hochberg: adjusted over the dimensions (false discoveries); None for composites.
        equivalence_p: TOST against the margin; None without one, or without spread.
        effect: standardised paired effect; None for composites or without spread.
        win: prompts on which the method is better.
        tie: equal but for rounding.
        loss: worse.
        share_of_total: share of the variance of Total; None for composites or without a Total.
        reason: why error, effect or equivalence are absent or 0; None where they are not.
    """

    quantity: str
    difference: float
    standard_error: float | None
    p_value: float
    holm: float | None
    benjamini_hochberg: float | None
    equivalence_p: float | None
    effect: float | None
    win: int | None
    tie: int | None
    loss: int | None
    share_of_total: float | None
    reason: str | None = None


def significance_rows(
    pairs: Mapping[str, PairedSamples],
    constants: Sequence[DimensionConstant],
    *,
    seed: int = 0,
    permutations: int = 10_000,
    margin: float | None = None,
    weighting: Weighting = "prompt-mean",
) -> list[SignificanceRow]:
    """Test every dimension and composite; dimensions that share prompts are tested together.

    Args:
        pairs: the method first, the baseline second.
        constants: the suite's dimensions.
        seed: seed of the random sign patterns.
        permutations: patterns.
        margin: differences within ± margin, in percent, count as equivalent.
        weighting: how videos are weighed into a dimension's mean.
    """
    scored = {c.dimension: pairs[c.dimension] for c in constants if c.dimension in pairs}
    scored = {name: pair for name, pair in scored.items() if is_scored(pair, weighting)}
    if not scored:
        return []
    tests = _Tests.of(scored, constants, weighting, seed, permutations)
    rows = [tests.row(q, scored, margin) for q in range(len(tests.names))]
    order = [*(constant.dimension for constant in constants), *COMPOSITES]
    return sorted(rows, key=lambda row: order.index(row.quantity))


class _Tests(NamedTuple):
    """Results of all quantities, (Q,) each; the first are the dimensions."""

    names: tuple[str, ...]
    differences: Floats
    errors: Floats
    freedom: Floats
    sizes: Floats
    spreads: Floats
    p_values: Floats
    holm: list[float]
    discovery: list[float]
    shares: Floats | None

    @classmethod
    def of(
        cls,
        scored: Mapping[str, PairedSamples],
        constants: Sequence[DimensionConstant],
        weighting: Weighting,
        seed: int,
        permutations: int,
    ) -> "_Tests":
        components = split_by_shared_prompts(scored, weighting)
        names, slopes = quantity_slopes(tuple(n for c in components for n in c.dimensions), constants)
        dimensions = slopes.shape[1]
        units, means = prompt_units(components, slopes), point_means(components)
        p_values = sign_flip_p_values(components, slopes, generator("sign-flip", seed), permutations)
        of_dimensions = [float(p) for p in p_values[:dimensions]]
        centred = influences(components, slopes)
        total = names.index("total") if "total" in names else None
        return cls(
            names,
            (means[0] - means[1]) @ slopes.T,
            unbiased_errors(units),
            welch_freedom(units),
            score_sizes(components, slopes),
            np.max([np.abs(z).max(axis=0) for z in centred], axis=0),
            p_values,
            holm(of_dimensions),
            benjamini_hochberg(of_dimensions),
            None if total is None else variance_shares(centred, slopes, total, dimensions),
        )

    def row(self, q: int, scored: Mapping[str, PairedSamples], margin: float | None) -> SignificanceRow:
        name, difference = self.names[q], float(self.differences[q])
        composite = name in COMPOSITES
        reason = self._reason(q, scored)
        error = None if reason == ONE_PROMPT else float(self.errors[q])
        limit = None if margin is None else margin / (1.0 if composite else 100.0)
        equivalent = None
        if limit is not None and reason is None:
            equivalent = equivalence_p_value(difference, float(self.errors[q]), limit, float(self.freedom[q]))
        p_value = float(self.p_values[q])
        bare = SignificanceRow(
            name, difference, error, p_value, None, None, equivalent, None, None, None, None, None, reason
        )
        if composite:
            return bare
        own, size = _prompt_differences(scored[name]), float(self.sizes[q])
        return bare._replace(
            holm=self.holm[q],
            benjamini_hochberg=self.discovery[q],
            effect=standardised_effect(own, size),
            **win_tie_loss(own, size)._asdict(),
            share_of_total=None if self.shares is None else float(self.shares[q]),
        )

    def _reason(self, q: int, scored: Mapping[str, PairedSamples]) -> str | None:
        name = self.names[q]
        if name in scored and len(_prompt_differences(scored[name])) < 2:
            return ONE_PROMPT
        return NO_SPREAD if self.spreads[q] <= ROUNDING * self.sizes[q] else None


def _prompt_differences(pair: PairedSamples) -> Floats:
    means = pair.prompt_means()
    difference = means[0] - means[1]
    kept: Floats = difference[np.isfinite(difference)]
    return kept
