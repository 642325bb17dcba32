"""Significance tables and power of scored runs, written beside a comparison."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas

from probekit.errors import UserError
from probekit.reporting.significance_tables import significance_table
from probekit.seeding import generator
from probekit.statistics.paired_units import (
    PairedSamples,
    closed_form_errors,
    contributions,
    influences,
    quantity_slopes,
    split_by_shared_prompts,
)
from probekit.statistics.power import (
    minimum_detectable_difference,
    noise_floor,
    power_curve,
    prompts_for_width,
    variance_components,
)
from probekit.statistics.score_comparison import pairs_of_table
from probekit.statistics.significance_table import SignificanceRow, significance_rows
from probekit.suites.registry import constants_of
from probekit.workflows.compare import ScoredRun

PERCENT = 100.0


def pairs_of_runs(baseline: ScoredRun, method: ScoredRun) -> dict[str, PairedSamples]:
    """Scores of two runs on the same prompts."""
    table = pandas.concat([baseline.table, method.table], ignore_index=True)
    return pairs_of_table(table, baseline.method, method.method)


def write_significance(
    runs: Sequence[ScoredRun], out: Path, *, seed: int, margin: float | None, repeats: Sequence[ScoredRun] = ()
) -> list[tuple[str, list[SignificanceRow]]]:
    """Test every method against the first run; writes `significance.csv` and `significance.md`.

    Args:
        runs: the baseline, then methods.
        out: folder of the comparison.
        seed: of the permutations.
        margin: of the equivalence test in percent.
        repeats: further runs of the baseline that differ by chance alone; with them the noise floor is printed.
    """
    baseline, *methods = runs
    constants = constants_of(baseline.suite)
    results = [
        (run.method.model, significance_rows(pairs_of_runs(baseline, run), constants, seed=seed, margin=margin))
        for run in methods
    ]
    floor = _noise_floors([baseline, *repeats]) if repeats else {}
    significance_table(results, floor).write(out, "significance")
    return results


def _noise_floors(runs: Sequence[ScoredRun]) -> dict[str, float]:
    """Standard deviation of a difference that means nothing, by quantity, in the quantity's unit."""
    from probekit.evaluation.aggregation import aggregate

    constants = constants_of(runs[0].suite)
    scores = []
    for run in runs:
        per_prompt = run.table.groupby(["dimension", "prompt_id"])["value"].mean()
        means = {str(name): float(value) for name, value in per_prompt.groupby("dimension").mean().dropna().items()}
        totals = aggregate(means, constants)
        composites = {"quality": totals.quality, "semantic": totals.semantic, "total": totals.total}
        scores.append(means | {name: value for name, value in composites.items() if value is not None})
    shared = sorted(set.intersection(*(set(one) for one in scores)))
    floors = noise_floor(np.array([[one[name] for name in shared] for one in scores]))
    return dict(zip(shared, map(float, floors), strict=True))


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
        width: of the interval that is wanted, in percent.
        prompts: numbers of prompts to judge.
        seed: of the simulated studies.

    Raises:
        UserError: if the quantity is not scored.
    """
    constants = constants_of(baseline.suite)
    pairs = {name: pair for name, pair in pairs_of_runs(baseline, method).items() if len(pair.prompt_ids)}
    components = split_by_shared_prompts(pairs)
    names, slopes = quantity_slopes(tuple(n for c in components for n in c.dimensions), constants)
    if quantity not in names:
        raise UserError(f"{quantity} is not scored in both runs.", f"Choose one of: {', '.join(names)}.")
    q = names.index(quantity)
    scale = 1.0 if quantity in ("quality", "semantic", "total") else PERCENT
    own = [part[:, q] * scale for part in contributions(components, slopes) if np.abs(part[:, q]).any()]
    observed = float(np.sum([part.mean() for part in own]))
    error = float(closed_form_errors(influences(components, slopes))[q]) * scale
    supposed = observed if effect is None else effect
    lines = [
        f"quantity                {quantity}",
        f"pilot                   {min(map(len, own))} prompts, difference {observed:+.3f}, standard error {error:.3f}",
        f"detectable (power 0.8)  {minimum_detectable_difference(error):.3f} with as many prompts",
    ]
    if len(own) == 1:
        powers = power_curve(own[0], supposed, prompts, rng=generator("power", seed))
        curve = ", ".join(f"{count}: {power:.2f}" for count, power in zip(prompts, powers, strict=True))
        lines.append(f"power at {supposed:+.3f}        {curve}")
    if width is not None:
        lines.extend(_width_lines(pairs, quantity, width))
    return lines


def _width_lines(pairs: dict[str, PairedSamples], quantity: str, width: float) -> list[str]:
    if quantity not in pairs:
        return ["prompts for a width     ask for a dimension; composites mix several prompt sets"]
    values = pairs[quantity].values * PERCENT
    differences = values[0] - values[1]
    complete = differences[np.isfinite(differences).all(axis=1)]
    parts = variance_components(complete)
    needed = ", ".join(f"{s} a prompt: {prompts_for_width(parts, width, s)}" for s in (1, 5, 25))
    spread = f"between prompts {parts.between:.4g}, within {parts.within:.4g} (variances)"
    return [f"spread                  {spread}", f"prompts for width {width:g}   videos {needed}"]
