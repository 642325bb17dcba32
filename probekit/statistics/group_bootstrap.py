"""Differences of two methods by the bootstrap, with any resampling and any interval."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.evaluation.aggregation import aggregate_array, check_known
from probekit.evaluation.weighting import Weighting
from probekit.statistics.bootstrap_settings import BootstrapSettings
from probekit.statistics.difference_estimate import (
    MIN_INTERVAL_PROMPTS,
    TOO_FEW_FOR_INTERVAL,
    TOO_FEW_PROMPTS,
    BootstrapComparison,
    DifferenceEstimate,
    unscored_difference,
)
from probekit.statistics.intervals import basic_interval, bca_interval, percentile_interval, studentised_interval
from probekit.statistics.paired_units import (
    COMPOSITES,
    Component,
    PairedSamples,
    closed_form_errors,
    influences,
    point_means,
    quantity_slopes,
    split_by_dimension,
    split_by_shared_prompts,
)
from probekit.statistics.resampling import Replicates, resample_prompts, resample_prompts_and_seeds
from probekit.suites.dimension_constants import DimensionConstant

Floats = NDArray[np.float64]
Constants = Sequence[DimensionConstant]


def dimension_generators(rng: np.random.Generator, constants: Constants) -> dict[str, np.random.Generator]:
    """One independent generator for each dimension of the suite, keyed by one draw each from `rng`."""
    # Drawn keys instead of rng.spawn(): a Philox generator made from a key has no seed sequence to spawn from.
    keys = rng.integers(0, 2**63, size=len(constants), dtype=np.uint64)
    return {
        constant.dimension: np.random.Generator(np.random.Philox(key=int(key)))
        for constant, key in zip(constants, keys, strict=True)
    }


def group_bootstrap(
    pairs: Mapping[str, PairedSamples],
    constants: Constants,
    settings: BootstrapSettings,
    *,
    rng: np.random.Generator,
) -> BootstrapComparison:
    """Compare two methods.

    Args:
        pairs: scores of each dimension, the method first and the baseline second.
        constants: the suite's dimensions.
        settings: resampling and intervals.
        rng: consumed for one key a dimension of the suite, so that a dimension's resampling does not depend on which
            others are present. A component is resampled with the key of its first dimension.

    Returns:
        Differences for each given dimension and for Quality, Semantic, Total.

    Raises:
        UserError: for an unknown dimension, or settings that do not go together.
    """
    check_known(pairs, constants)
    if settings.interval == "studentised" and settings.resampling == "two-level":
        raise UserError("A studentised interval has no seeds to resample.", "Use percentile, basic or bca.")
    if settings.weighting != "prompt-mean" and settings.resampling == "two-level":
        raise UserError(
            f"Resampling of seeds within prompts has no {settings.weighting}.", "Use paper or joint resampling."
        )
    ordered = {c.dimension: pairs[c.dimension] for c in constants if c.dimension in pairs}
    scored = {name: pair for name, pair in ordered.items() if _paired(pair, settings.weighting)}
    missing = tuple(constant.dimension for constant in constants if constant.dimension not in scored)
    if not scored:
        empty = tuple(unscored_difference(name) for name in ordered)
        return BootstrapComparison(empty, None, None, None, missing, settings.replicates, settings.level)
    split = split_by_dimension if settings.resampling == "paper" else split_by_shared_prompts
    components = split(scored, settings.weighting)
    dimensions = tuple(name for component in components for name in component.dimensions)
    names, slopes = quantity_slopes(dimensions, constants)
    estimates = _estimates(components, names, slopes, constants, settings, dimension_generators(rng, constants))
    dimension_rows = tuple(estimates.get(name, unscored_difference(name)) for name in ordered)
    quality, semantic, total = (estimates.get(name) for name in COMPOSITES)
    return BootstrapComparison(dimension_rows, quality, semantic, total, missing, settings.replicates, settings.level)


def _paired(pair: PairedSamples, weighting: Weighting) -> bool:
    finite = np.isfinite(pair.prompt_means())
    return bool(finite.all(axis=0).any() if weighting == "prompt-mean" else finite.any(axis=1).all())


def _estimates(
    components: Sequence[Component],
    names: Sequence[str],
    slopes: Floats,
    constants: Constants,
    settings: BootstrapSettings,
    generators: Mapping[str, np.random.Generator],
) -> dict[str, DifferenceEstimate]:
    influence = influences(components, slopes)
    drawn = [
        _resample(component, generators[component.dimensions[0]], settings, z)
        for component, z in zip(components, influence, strict=True)
    ]
    means = point_means(components)
    scores = _with_composites(means, slopes, names, constants)
    differences = (means[0] - means[1]) @ slopes.T
    sampled = np.concatenate([one.means[0] - one.means[1] for one in drawn], axis=-1) @ slopes.T
    errors = closed_form_errors(influence)
    own_errors = _replicate_errors(drawn, components)
    counts = _prompt_counts(components, names, slopes)
    result = {}
    for q, name in enumerate(names):
        usable = np.isfinite(sampled[:, q])
        own = None if own_errors is None else own_errors[usable, q]
        quantity = _Quantity(name, scores[:, q], float(differences[q]), float(errors[q]), counts[q])
        contributions = [z[:, q] for z in influence]
        result[name] = _estimate(quantity, sampled[usable, q], contributions, own, settings)
    return result


class _Quantity(NamedTuple):
    name: str
    scores: Floats
    difference: float
    closed_form_error: float
    prompts: int


def _estimate(
    quantity: _Quantity,
    replicates: Floats,
    contributions: Sequence[Floats],
    replicate_errors: Floats | None,
    settings: BootstrapSettings,
) -> DifferenceEstimate:
    name, difference, n = quantity.name, quantity.difference, quantity.prompts
    bare = DifferenceEstimate(
        name,
        float(quantity.scores[0]),
        float(quantity.scores[1]),
        difference,
        None,
        None,
        None,
        False,
        n,
        "percent" if name in COMPOSITES else "raw",
        TOO_FEW_PROMPTS,
    )
    if n < 2 or len(replicates) < 2:
        return bare
    bare = bare._replace(standard_error=float(replicates.std(ddof=1)), closed_form_error=quantity.closed_form_error)
    if n < MIN_INTERVAL_PROMPTS:
        return bare._replace(reason=TOO_FEW_FOR_INTERVAL)
    error = quantity.closed_form_error
    low, high = _interval(difference, replicates, contributions, error, replicate_errors, settings)
    return bare._replace(low=low, high=high, star=low > 0.0 or high < 0.0, reason=None)


def _resample(
    component: Component, rng: np.random.Generator, settings: BootstrapSettings, influence: Floats
) -> Replicates:
    if settings.resampling == "two-level":
        return resample_prompts_and_seeds(component, settings.replicates, rng)
    asked = influence if settings.interval == "studentised" else None
    return resample_prompts(component, settings.replicates, rng, asked)


def _interval(
    estimate: float,
    replicates: Floats,
    influence: Sequence[Floats],
    error: float,
    replicate_errors: Floats | None,
    settings: BootstrapSettings,
) -> tuple[float, float]:
    match settings.interval:
        case "percentile":
            return percentile_interval(replicates, settings.level)
        case "basic":
            return basic_interval(estimate, replicates, settings.level)
        case "bca":
            return bca_interval(estimate, replicates, influence, settings.level)
        case "studentised":
            own = np.zeros_like(replicates) if replicate_errors is None else replicate_errors
            return studentised_interval(estimate, error, replicates, own, settings.level)


def _replicate_errors(drawn: Sequence[Replicates], components: Sequence[Component]) -> Floats | None:
    parts = [
        one.variances / len(component.prompt_ids)
        for one, component in zip(drawn, components, strict=True)
        if one.variances is not None
    ]
    return np.sqrt(np.maximum(np.sum(parts, axis=0), 0.0)) if parts else None


def _with_composites(means: Floats, slopes: Floats, names: Sequence[str], constants: Constants) -> Floats:
    """Scores (2, Q): dimension means, and composites with their origin."""
    zero = np.zeros((1, means.shape[1]))
    origins = np.zeros(len(names))
    dimensions = tuple(names[: means.shape[1]])
    base = aggregate_array(zero, dimensions, constants)
    for q, name in enumerate(names):
        if name in COMPOSITES:
            origins[q] = float(getattr(base, name)[0])
    return means @ slopes.T + origins


def _prompt_counts(components: Sequence[Component], names: Sequence[str], slopes: Floats) -> list[int]:
    """Prompts behind each quantity: for a composite, those of its smallest dimension."""
    of_dimension = np.concatenate([(c.denominator > 0).all(axis=0).sum(axis=0) for c in components])
    return [int(of_dimension[slopes[q] != 0].min()) for q in range(len(names))]
