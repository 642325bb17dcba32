"""Differences of two methods by the bootstrap, with any resampling and any interval; one way for all of them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.choices import Weighting
from probekit.evaluation.aggregation import COMPOSITES, check_known
from probekit.statistics.bootstrap_settings import BootstrapSettings
from probekit.statistics.difference_estimate import (
    BootstrapComparison,
    DifferenceEstimate,
    estimate_difference,
    unscored_difference,
)
from probekit.statistics.influence import Units, influences, prompt_units, run_units, score_sizes, seed_units
from probekit.statistics.interval_choice import Evidence
from probekit.statistics.paired_units import (
    Component,
    PairedSamples,
    Runs,
    method_means,
    point_means,
    quantity_slopes,
    split_by_dimension,
    split_by_shared_prompts,
    with_composites,
)
from probekit.statistics.resampling import Drawn, Replicates, replicate_errors, resample_prompts, run_shares
from probekit.statistics.seed_resampling import resample_prompts_and_seeds
from probekit.suites.dimension_constants import DimensionConstant

Floats = NDArray[np.float64]
Constants = Sequence[DimensionConstant]
Keys = Mapping[str, int]

RUNS_KEY = "training runs"
"""Names the resampling of training runs among the keys of dimensions."""


class Pairing(NamedTuple):
    """One method against the baseline.

    Attributes:
        pairs: scores of each dimension, the method's series first.
        runs: how many series, which are training runs, each of the two has.
    """

    pairs: Mapping[str, PairedSamples]
    runs: Runs = Runs()


def dimension_generators(rng: np.random.Generator, constants: Constants) -> dict[str, np.random.Generator]:
    """One independent generator for each dimension of the suite, keyed by one draw each from `rng`."""
    return {name: _generator(key) for name, key in _keys(rng, constants).items()}


def _keys(rng: np.random.Generator, constants: Constants) -> dict[str, int]:
    # Drawn keys instead of rng.spawn(): a Philox generator made from a key has no seed sequence to spawn from.
    names = (*(constant.dimension for constant in constants), RUNS_KEY)
    return dict(zip(names, map(int, rng.integers(0, 2**63, size=len(names), dtype=np.uint64)), strict=True))


def _generator(key: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=key))


def group_bootstrap(
    pairs: Mapping[str, PairedSamples],
    constants: Constants,
    settings: BootstrapSettings,
    *,
    rng: np.random.Generator,
    runs: Runs | None = None,
) -> BootstrapComparison:
    """Compare two methods.

    Args:
        pairs: scores of each dimension, the method's series first, then the baseline's.
        constants: the suite's dimensions.
        settings: resampling and intervals.
        rng: consumed for one key per dimension of the suite and one for training runs, so that a dimension's resampling
            does not depend on which others are present. A component is resampled with the key of its first dimension.
        runs: how many series each method has; one each by default.

    Returns:
        Differences for each given dimension and for Quality, Semantic, Total.

    Raises:
        UserError: for an unknown dimension, or settings that do not go together.
    """
    (found,) = group_bootstraps([Pairing(pairs, runs or Runs())], constants, settings, rng=rng)
    return found


def group_bootstraps(
    pairings: Sequence[Pairing], constants: Constants, settings: BootstrapSettings, *, rng: np.random.Generator
) -> list[BootstrapComparison]:
    """`group_bootstrap` of several methods against one baseline, each as it would be alone.

    Prompts are drawn once for all of them where they have equally many.
    """
    settings.refuse_contradictions()
    keys = _keys(rng, constants)
    cases = [_Case.of(pairing, constants, settings) for pairing in pairings]
    drawn = _draw(cases, settings, keys)
    return [case.comparison(own, settings) for case, own in zip(cases, drawn, strict=True)]


class _Case(NamedTuple):
    """A pairing, ready to be resampled."""

    pairing: Pairing
    constants: Constants
    given: tuple[str, ...]
    components: list[Component]
    names: tuple[str, ...]
    slopes: Floats

    @classmethod
    def of(cls, pairing: Pairing, constants: Constants, settings: BootstrapSettings) -> "_Case":
        check_known(pairing.pairs, constants)
        ordered = {c.dimension: pairing.pairs[c.dimension] for c in constants if c.dimension in pairing.pairs}
        scored = {name: pair for name, pair in ordered.items() if is_scored(pair, settings.weighting)}
        split = split_by_dimension if settings.resampling == "paper" else split_by_shared_prompts
        components = split(scored, settings.weighting)
        dimensions = tuple(name for component in components for name in component.dimensions)
        names, slopes = quantity_slopes(dimensions, constants)
        return cls(pairing, constants, tuple(ordered), components, names, slopes)

    def drawn(self, settings: BootstrapSettings, keys: Keys) -> list[Drawn]:
        """The components with the weights of their series, and influences where replicates need errors of their own."""
        runs = self.pairing.runs
        shares = runs.signs()[None]
        if settings.of_runs:
            shares = run_shares(_generator(keys[RUNS_KEY]), runs, settings.replicates)
        own: list[Floats | None] = [None] * len(self.components)
        if settings.interval == "studentised":
            own = [*influences(self.components, self.slopes, runs)]
        return [Drawn(component, shares, z) for component, z in zip(self.components, own, strict=True)]

    def units(self, settings: BootstrapSettings) -> list[Units]:
        """Everything that is resampled."""
        found = prompt_units(self.components, self.slopes, self.pairing.runs)
        if settings.resampling == "two-level":
            found += seed_units(self.components, self.slopes)
        if settings.of_runs:
            found += run_units(self.components, self.slopes, self.pairing.runs)
        return found

    def comparison(self, drawn: Sequence[Replicates], settings: BootstrapSettings) -> BootstrapComparison:
        estimates = self._estimates(drawn, settings) if self.components else {}
        rows = tuple(estimates.get(name, unscored_difference(name)) for name in self.given)
        missing = tuple(c.dimension for c in self.constants if c.dimension not in self.names)
        quality, semantic, total = (estimates.get(name) for name in COMPOSITES)
        return BootstrapComparison(rows, quality, semantic, total, missing, settings.replicates, settings.level)

    def _estimates(self, drawn: Sequence[Replicates], settings: BootstrapSettings) -> dict[str, DifferenceEstimate]:
        runs = self.pairing.runs
        dimensions = self.names[: self.slopes.shape[1]]
        scores = with_composites(method_means(point_means(self.components), runs), dimensions, self.constants)
        sampled = _quantities(np.concatenate([one.differences for one in drawn], axis=-1), self.slopes)
        own_errors = replicate_errors(drawn, [len(component.prompt_ids) for component in self.components])
        units, sizes, prompts = self.units(settings), score_sizes(self.components, self.slopes), self._prompts()
        found = {}
        for q, name in enumerate(self.names):
            evidence = Evidence(
                difference=float(scores[0, q] - scores[1, q]),
                replicates=sampled[:, q],
                units=[one.of(q) for one in units],
                size=float(sizes[q]),
                prompts=prompts[q],
                runs=min(runs.method, runs.baseline) if settings.of_runs else None,
                own_errors=None if own_errors is None else own_errors[:, q],
            )
            found[name] = estimate_difference(
                name,
                (float(scores[0, q]), float(scores[1, q])),
                evidence,
                interval=settings.interval,
                level=settings.level,
                unit="percent" if name in COMPOSITES else "raw",
            )
        return found

    def _prompts(self) -> list[int]:
        """Prompts behind each quantity: for a composite, those of its smallest dimension."""
        of_dimension = np.concatenate([component.scored_prompts() for component in self.components])
        return [int(of_dimension[slope != 0].min()) for slope in self.slopes]


def is_scored(pair: PairedSamples, weighting: Weighting) -> bool:
    """Whether a dimension has a mean in every series, over the prompts that the weighting counts."""
    finite = np.isfinite(pair.prompt_means())
    return bool(finite.all(axis=0).any() if weighting == "prompt-mean" else finite.any(axis=1).all())


def _quantities(differences: Floats, slopes: Floats) -> Floats:
    """Differences of dimensions (R, K) as those of quantities (R, Q); a NaN reaches only what needs its dimension."""
    columns = [differences[:, slope != 0] @ slope[slope != 0] for slope in slopes]
    return np.stack(columns, axis=1)


def _draw(cases: Sequence[_Case], settings: BootstrapSettings, keys: Keys) -> list[list[Replicates]]:
    """Replicates of each case's components; components with one key and equally many prompts share their draws."""
    if settings.resampling == "two-level":
        return [
            [
                resample_prompts_and_seeds(component, settings.replicates, _generator(keys[component.dimensions[0]]))
                for component in case.components
            ]
            for case in cases
        ]
    groups: dict[tuple[str, int], list[tuple[int, int, Drawn]]] = {}
    for index, case in enumerate(cases):
        for place, drawn in enumerate(case.drawn(settings, keys)):
            first, prompts = drawn.component.dimensions[0], len(drawn.component.prompt_ids)
            groups.setdefault((first, prompts), []).append((index, place, drawn))
    found: dict[tuple[int, int], Replicates] = {}
    for (first, _), members in groups.items():
        replicates = resample_prompts([drawn for *_, drawn in members], settings.replicates, _generator(keys[first]))
        found |= {(index, place): one for (index, place, _), one in zip(members, replicates, strict=True)}
    return [[found[index, place] for place in range(len(case.components))] for index, case in enumerate(cases)]
