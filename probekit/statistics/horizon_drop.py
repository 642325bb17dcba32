"""What a model loses from a short to a long horizon, and whether one model loses less than another.

The prompts of both horizons are the same, so a drop is a paired difference: of each prompt's score at the short and at
the long horizon. Every score is affine in the prompt scores, so the difference of two models' drops is the paired
difference of their prompts' drops, with one set of resampled prompts for all four runs.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.seeding import generator
from probekit.statistics.difference_estimate import BootstrapComparison
from probekit.statistics.paired_bootstrap import paired_bootstrap
from probekit.suites.dimension_constants import DimensionConstant

PromptScores = Mapping[str, Mapping[str, float | None]]
"""Score of each prompt, by dimension; None is not scored."""


class HorizonScores(NamedTuple):
    """One model's prompt scores at both horizons."""

    short: PromptScores
    long: PromptScores


def _shared_prompts(dimension: str, sources: Sequence[PromptScores]) -> list[str]:
    shared = set(sources[0][dimension])
    for source in sources:
        shared &= {prompt for prompt, value in source[dimension].items() if value is not None}
    return sorted(shared)


def _shared_dimensions(sources: Sequence[PromptScores]) -> list[str]:
    every = {dimension for source in sources for dimension in source}
    unpaired = sorted(dimension for dimension in every if any(dimension not in source for source in sources))
    if unpaired:
        raise UserError(f"Dimension {unpaired[0]!r} is not scored in every run.", "Score all runs alike.")
    return sorted(every)


def _values(source: PromptScores, dimension: str, prompts: Sequence[str]) -> NDArray[np.float64]:
    return np.array([source[dimension][prompt] for prompt in prompts], dtype=np.float64)


def horizon_drop(
    model: HorizonScores, constants: Sequence[DimensionConstant], *, seed: int = 0, replicates: int = 10_000
) -> BootstrapComparison:
    """Short minus long horizon on the prompts scored at both; in each estimate `a` is short, `b` long.

    Raises:
        UserError: if a dimension is scored at one horizon only.
    """
    dimensions = _shared_dimensions(model)
    prompts = {name: _shared_prompts(name, model) for name in dimensions}
    return paired_bootstrap(
        {name: _values(model.short, name, prompts[name]) for name in dimensions},
        {name: _values(model.long, name, prompts[name]) for name in dimensions},
        constants,
        rng=generator("horizon_drop", seed),
        replicates=replicates,
    )


def drop_difference(
    method: HorizonScores,
    baseline: HorizonScores,
    constants: Sequence[DimensionConstant],
    *,
    seed: int = 0,
    replicates: int = 10_000,
) -> BootstrapComparison:
    """The method's drop minus the baseline's, on the prompts scored in all four runs; below 0 the method loses less.

    In each estimate `difference` and its interval are in the dimension's unit. `a` and `b` are the drops of the
    dimensions; of the composites only the difference has a meaning, because an offset enters both alike.

    Raises:
        UserError: if a dimension is not scored in every run.
    """
    sources = (*method, *baseline)
    dimensions = _shared_dimensions(sources)
    prompts = {name: _shared_prompts(name, sources) for name in dimensions}

    def drops(model: HorizonScores) -> dict[str, NDArray[np.float64]]:
        return {
            name: _values(model.short, name, prompts[name]) - _values(model.long, name, prompts[name])
            for name in dimensions
        }

    return paired_bootstrap(
        drops(method), drops(baseline), constants, rng=generator("horizon_drop", seed), replicates=replicates
    )
