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
from probekit.statistics.bootstrap_settings import BootstrapSettings
from probekit.statistics.difference_estimate import BootstrapComparison
from probekit.statistics.group_bootstrap import group_bootstrap
from probekit.statistics.paired_bootstrap import paired_bootstrap
from probekit.statistics.paired_units import PairedSamples, Runs
from probekit.suites.dimension_constants import DimensionConstant

PromptScores = Mapping[str, Mapping[str, float | None]]
"""Score of each prompt, by dimension; None is not scored."""


Values = Mapping[str, NDArray[np.float64]]
"""Scores (P,) of the shared prompts, by dimension."""


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
    return horizon_drop_of_runs([model], constants, seed=seed, replicates=replicates)


def horizon_drop_of_runs(
    runs: Sequence[HorizonScores], constants: Sequence[DimensionConstant], *, seed: int = 0, replicates: int = 10_000
) -> BootstrapComparison:
    """`horizon_drop` of one model's training runs together; with several, they are resampled too.

    Raises:
        UserError: if a dimension is not scored at both horizons in every run.
    """
    short, long = _values_of([[run.short for run in runs], [run.long for run in runs]])
    return _compare(short, long, constants, seed, replicates)


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
    return drop_difference_of_runs([method], [baseline], constants, seed=seed, replicates=replicates)


def drop_difference_of_runs(
    method: Sequence[HorizonScores],
    baseline: Sequence[HorizonScores],
    constants: Sequence[DimensionConstant],
    *,
    seed: int = 0,
    replicates: int = 10_000,
) -> BootstrapComparison:
    """`drop_difference` of as many training runs of both; the k-th of each are a pair, and pairs are resampled.

    Raises:
        UserError: if a dimension is not scored in every run.
    """
    assert len(method) == len(baseline)
    ends = [
        [run.short for run in method], [run.long for run in method],
        [run.short for run in baseline], [run.long for run in baseline],
    ]  # fmt: skip
    a_short, a_long, b_short, b_long = _values_of(ends)
    a, b = (
        [{name: x[name] - y[name] for name in x} for x, y in zip(*pair, strict=True)]
        for pair in ((a_short, a_long), (b_short, b_long))
    )
    return _compare(a, b, constants, seed, replicates)


def _values_of(groups: Sequence[Sequence[PromptScores]]) -> list[list[Values]]:
    """Scores of each source in each group on the prompts that all of them have."""
    sources = [source for group in groups for source in group]
    dimensions = _shared_dimensions(sources)
    prompts = {name: _shared_prompts(name, sources) for name in dimensions}
    return [[{name: _values(one, name, prompts[name]) for name in dimensions} for one in group] for group in groups]


def _compare(
    a: Sequence[Values], b: Sequence[Values], constants: Sequence[DimensionConstant], seed: int, replicates: int
) -> BootstrapComparison:
    """The runs `a` against the runs `b`, pair by pair."""
    rng = generator("horizon_drop", seed)
    if len(a) == 1:
        (one,), (other,) = a, b
        return paired_bootstrap(one, other, constants, rng=rng, replicates=replicates)
    samples = {name: _samples([run[name] for run in (*a, *b)]) for name in next(iter(a))}
    settings = BootstrapSettings(resampling="paired-runs", replicates=replicates)
    return group_bootstrap(samples, constants, settings, rng=rng, runs=Runs(len(a), len(b), paired=True))


def _samples(runs: Sequence[NDArray[np.float64]]) -> PairedSamples:
    """Scores (P,) of each run as one video a prompt."""
    values = np.stack(runs)[..., None]
    return PairedSamples(tuple(f"{row:08d}" for row in range(values.shape[1])), values)
