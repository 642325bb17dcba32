"""Everything about one difference beyond its interval: p-values, effect sizes, wins, shares of the variance."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from probekit.seeding import generator
from probekit.statistics.paired_units import (
    COMPOSITES,
    PairedSamples,
    closed_form_errors,
    contributions,
    influences,
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
    welch_freedom,
    win_tie_loss,
)
from probekit.suites.dimension_constants import DimensionConstant


class SignificanceRow(NamedTuple):
    """One quantity of a method against the baseline.

    Attributes:
        quantity: dimension or composite.
        difference: method minus baseline, in the quantity's own unit (composites in percent).
        standard_error: closed form, of the joint bootstrap.
        p_value: sign-flip permutation at the prompt level, two-sided.
        holm: adjusted over the dimensions (family-wise); None for composites.
        benjamini_hochberg: adjusted over the dimensions (false discoveries); None for composites.
        equivalence_p: TOST against the margin; None without one.
        effect: standardised paired effect; None for composites or without spread.
        win: prompts on which the method is better.
        tie: equal.
        loss: worse.
        share_of_total: of the variance of Total; None for composites or without a Total.
    """

    quantity: str
    difference: float
    standard_error: float
    p_value: float
    holm: float | None
    benjamini_hochberg: float | None
    equivalence_p: float | None
    effect: float | None
    win: int | None
    tie: int | None
    loss: int | None
    share_of_total: float | None


def significance_rows(
    pairs: Mapping[str, PairedSamples],
    constants: Sequence[DimensionConstant],
    *,
    seed: int = 0,
    permutations: int = 10_000,
    margin: float | None = None,
) -> list[SignificanceRow]:
    """Test every dimension and composite; dimensions that share prompts are tested together.

    Args:
        pairs: the method first, the baseline second.
        constants: the suite's dimensions.
        seed: of the random sign patterns.
        permutations: patterns.
        margin: differences within ± margin, in percent, count as equivalent.
    """
    scored = {c.dimension: pairs[c.dimension] for c in constants if c.dimension in pairs}
    scored = {name: pair for name, pair in scored.items() if np.isfinite(pair.prompt_means()).all(axis=0).any()}
    if not scored:
        return []
    components = split_by_shared_prompts(scored)
    dimensions = tuple(name for component in components for name in component.dimensions)
    names, slopes = quantity_slopes(dimensions, constants)
    own, centred = contributions(components, slopes), influences(components, slopes)
    differences = np.sum([part.mean(axis=0) for part in own], axis=0)
    errors, freedom = closed_form_errors(centred), welch_freedom(centred)
    p_values = sign_flip_p_values(own, generator("sign-flip", seed), permutations)
    of_dimensions = [float(p) for p in p_values[: len(dimensions)]]
    family, discovery = holm(of_dimensions), benjamini_hochberg(of_dimensions)
    shares = variance_shares(centred, slopes, names.index("total"), len(dimensions)) if "total" in names else None
    rows = []
    for q, name in enumerate(names):
        plain = q < len(dimensions)
        prompt_differences = _prompt_differences(scored[name]) if plain else None
        counts = None if prompt_differences is None else win_tie_loss(prompt_differences)
        scaled = None if margin is None else margin / (1.0 if name in COMPOSITES else 100.0)
        rows.append(
            SignificanceRow(
                name,
                float(differences[q]),
                float(errors[q]),
                float(p_values[q]),
                family[q] if plain else None,
                discovery[q] if plain else None,
                None
                if scaled is None
                else equivalence_p_value(float(differences[q]), float(errors[q]), scaled, float(freedom[q])),
                None if prompt_differences is None else standardised_effect(prompt_differences),
                None if counts is None else counts.win,
                None if counts is None else counts.tie,
                None if counts is None else counts.loss,
                float(shares[q]) if plain and shares is not None else None,
            )
        )
    return sorted(rows, key=lambda row: _place(row.quantity, constants))


def _prompt_differences(pair: PairedSamples) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    means = pair.prompt_means()
    difference = means[0] - means[1]
    kept: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = difference[np.isfinite(difference)]
    return kept


def _place(name: str, constants: Sequence[DimensionConstant]) -> int:
    order = [constant.dimension for constant in constants] + list(COMPOSITES)
    return order.index(name)
