"""How many prompts and videos a difference takes, judged from two pilot runs."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.evaluation.aggregation import COMPOSITES
from probekit.seeding import generator
from probekit.statistics.influence import (
    contributions,
    own_slopes,
    prompt_units,
    score_sizes,
    unbiased_errors,
    welch_freedom,
)
from probekit.statistics.interval_choice import ROUNDING
from probekit.statistics.paired_units import PairedSamples, quantity_slopes, split_by_shared_prompts
from probekit.statistics.power import (
    minimum_detectable_difference,
    power_curve,
    prompts_for_width,
    variance_components,
)
from probekit.suites.dimension_constants import DimensionConstant
from probekit.suites.registry import constants_of
from probekit.workflows.compare import ScoredRun
from probekit.workflows.significance import pairs_of_runs

Floats = NDArray[np.float64]
Constants = Sequence[DimensionConstant]
PERCENT = 100.0


def power_lines(
    baseline: ScoredRun,
    method: ScoredRun,
    *,
    quantity: str,
    effect: float | None,
    width: float | None,
    prompts: Sequence[int],
    seed: int,
) -> list[str]:
    """What a study of this quantity would take, judged from two pilot runs, in lines for a reader.

    Args:
        baseline: pilot run.
        method: pilot run.
        quantity: dimension or composite.
        effect: supposed true difference in percent; None takes the observed one.
        width: width of the interval that is wanted, in percent.
        prompts: numbers of prompts to judge.
        seed: seed of the simulated studies.

    Raises:
        UserError: if the quantity is not scored.
    """
    constants = constants_of(baseline.suite)
    pairs = {name: pair for name, pair in pairs_of_runs(baseline, method).items() if len(pair.prompt_ids)}
    pilot = _Pilot.of(pairs, constants, quantity)
    supposed = pilot.difference if effect is None else effect
    lines = [
        f"quantity                {quantity}",
        f"pilot                   {pilot.prompts} prompts, difference {pilot.difference:+.3f}, "
        f"standard error {pilot.error:.3f}",
        f"detectable (power 0.8)  {minimum_detectable_difference(pilot.error, freedom=pilot.freedom):.3f} "
        "with as many prompts",
    ]
    powers = power_curve(pilot.contributions, supposed, prompts, rng=generator("power", seed))
    curve = ", ".join(
        f"{count}: {'no interval' if power is None else f'{power:.2f}'}"
        for count, power in zip(prompts, powers, strict=True)
    )
    shared = f", shared by {len(pilot.contributions)} sets as in the pilot" if len(pilot.contributions) > 1 else ""
    lines.append(f"power at {supposed:+.3f}        {curve}{shared}")
    if width is not None:
        lines.extend(_width_lines(pairs, quantity, width))
    return lines


class _Pilot(NamedTuple):
    """What two pilot runs say of one quantity, in percent.

    Attributes:
        contributions: contributions of each independent set of prompts, (P,); means add up to the difference.
        prompts: prompts of the smallest dimension.
    """

    contributions: list[Floats]
    prompts: int
    difference: float
    error: float
    freedom: float

    @classmethod
    def of(cls, pairs: Mapping[str, PairedSamples], constants: Constants, quantity: str) -> "_Pilot":
        composite = quantity in COMPOSITES
        # A dimension by itself, so that prompts without it are not taken for prompts without a difference.
        chosen = pairs if composite else {name: pair for name, pair in pairs.items() if name == quantity}
        components = split_by_shared_prompts(chosen)
        names, slopes = quantity_slopes(tuple(n for c in components for n in c.dimensions), constants)
        if quantity not in names:
            known = quantity_slopes(tuple(c.dimension for c in constants if c.dimension in pairs), constants)[0]
            raise UserError(f"{quantity} is not scored in both runs.", f"Choose one of: {', '.join(known)}.")
        q, scale = names.index(quantity), 1.0 if composite else PERCENT
        used = [i for i, own in enumerate(own_slopes(components, slopes)) if own[q].any()]
        units = [prompt_units(components, slopes)[i].of(q) for i in used]
        parts = [contributions(components, slopes)[i][:, q] * scale for i in used]
        difference = float(sum(part.mean() for part in parts))
        prompts = min(int(unit.active[0]) for unit in units)
        if prompts < 2:
            raise UserError(f"The pilots share one prompt of {quantity}.", "Score at least two in both.")
        spread = max(float(np.abs(unit.influence).max()) for unit in units)
        if spread <= ROUNDING * float(score_sizes(components, slopes)[q]):
            raise UserError(
                f"The pilots differ by {difference:+.3f} in every prompt of {quantity}, so they tell nothing of its "
                "spread.",
                "Give pilots that differ from prompt to prompt, or choose another quantity.",
            )
        error, freedom = unbiased_errors(units)[0], welch_freedom(units)[0]
        return cls(parts, prompts, difference, float(error) * scale, float(freedom))


def _width_lines(pairs: Mapping[str, PairedSamples], quantity: str, width: float) -> list[str]:
    if quantity not in pairs:
        return ["prompts for a width     ask for a dimension; composites mix several prompt sets"]
    values = pairs[quantity].values * PERCENT
    differences = values[0] - values[1]
    complete = differences[np.isfinite(differences).all(axis=1)]
    parts = variance_components(complete)
    needed = ", ".join(f"{s} a prompt: {prompts_for_width(parts, width, s)}" for s in (1, 5, 25))
    spread = f"between prompts {parts.between:.4g}, within {parts.within:.4g} (variances)"
    return [f"spread                  {spread}", f"prompts for width {width:g}   videos {needed}"]
