"""Scores of two methods on the same prompts, and the plain formulas that statistics of them are checked against."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from probekit.seeding import generator
from probekit.statistics.paired_units import Component, PairedSamples, split_by_dimension
from probekit.suites.dimension_constants import VBENCH_CONSTANTS, DimensionConstant

Floats = NDArray[np.float64]
Constants = Sequence[DimensionConstant]

VBENCH_GROUPS = {
    "A": ("subject_consistency", "motion_smoothness", "dynamic_degree"),
    "B": ("overall_consistency", "aesthetic_quality", "imaging_quality"),
    "C": ("background_consistency", "scene"),
}
"""Dimensions of VBench that are scored on the same prompts; each of the others has prompts of its own."""


def prompts(count: int, prefix: str = "p") -> tuple[str, ...]:
    return tuple(f"{prefix}{index:03d}" for index in range(count))


def one_component(differences: Floats) -> Component:
    """One dimension in which the method is better by so much (P,) or (P, S)."""
    wide = differences.reshape(len(differences), -1)
    pair = PairedSamples(prompts(len(wide)), np.stack([0.5 + wide, np.full_like(wide, 0.5)]))
    return split_by_dimension({"color": pair})[0]


def suite_scores(
    constants: Constants,
    seed: int,
    *,
    count: int = 60,
    samples: int = 3,
    runs: tuple[int, int] = (1, 1),
    spread: float = 0.05,
    run_spread: float = 0.0,
) -> dict[str, PairedSamples]:
    """Scores around the middle of each dimension's range; dimensions of one video share a part of their noise.

    Args:
        runs: training runs of the method and of the baseline.
        spread: of prompts and samples, in parts of the range.
        run_spread: of training runs.
    """
    owner = {name: group for group, names in VBENCH_GROUPS.items() for name in names}
    vbench = tuple(constants) == VBENCH_CONSTANTS
    pairs = {}
    for constant in constants:
        group = owner.get(constant.dimension, constant.dimension) if vbench else "all"
        shared, own = (generator("suite", seed, name) for name in (group, constant.dimension))
        series = sum(runs)
        noise = shared.normal(size=(series, count, samples)) + own.normal(size=(series, count, samples))
        of_prompt = shared.normal(size=(count, 1)) + own.normal(size=(count, 1))
        better = np.repeat([0.02, 0.0], runs)[:, None, None]
        of_run = run_spread * own.normal(size=(series, 1, 1))
        relative = 0.6 + better + of_run + spread * (noise + of_prompt + 0.5 * noise.mean(axis=2, keepdims=True))
        values = constant.low + (constant.high - constant.low) * relative
        pairs[constant.dimension] = PairedSamples(prompts(count, group), values)
    return pairs


def plain_composites(means: Mapping[str, float], constants: Constants) -> dict[str, float]:
    """Quality, Semantic and Total in percent, from the constants alone (VBench scripts/cal_final_score.py)."""
    scores = {}
    for group in ("quality", "semantic"):
        members = [c for c in constants if c.group == group]
        normalised = [(means[c.dimension] - c.low) / (c.high - c.low) * c.weight for c in members]
        scores[group] = 100 * sum(normalised) / sum(c.weight for c in members)
    return {**means, **scores, "total": (4 * scores["quality"] + scores["semantic"]) / 5}


def plain_difference(scores: Mapping[str, Floats], constants: Constants, runs: tuple[int, int]) -> dict[str, float]:
    """Method minus baseline of every quantity from scores (runs, prompts, samples), as one would write it down."""
    sides = []
    for series in (slice(0, runs[0]), slice(runs[0], None)):
        means = {name: float(np.nanmean(values[series], axis=2).mean()) for name, values in scores.items()}
        sides.append(plain_composites(means, constants))
    return {name: sides[0][name] - sides[1][name] for name in sides[0]}


def plain_replicates(
    pairs: Mapping[str, PairedSamples],
    constants: Constants,
    method: str,
    replicates: int,
    runs: tuple[int, int] = (1, 1),
) -> dict[str, Floats]:
    """Bootstrap replicates of every difference by a loop that draws one replicate after the other."""
    rng = np.random.default_rng(7)
    found: dict[str, list[float]] = {}
    for _ in range(replicates):
        series = np.arange(sum(runs))
        if method == "runs":
            series = np.concatenate([rng.integers(0, runs[0], runs[0]), runs[0] + rng.integers(0, runs[1], runs[1])])
        if method == "paired-runs":
            series = np.add.outer([0, runs[0]], rng.integers(0, runs[0], runs[0])).ravel()
        draws: dict[tuple[str, ...], tuple[NDArray[np.int64], NDArray[np.int64]]] = {}
        taken = {}
        for name, pair in pairs.items():
            _, count, samples = pair.values.shape
            key = (name,) if method == "paper" else pair.prompt_ids
            if key not in draws:
                draws[key] = rng.integers(0, count, count), rng.integers(0, samples, (count, samples))
            rows, seeds = draws[key]
            values = pair.values[series][:, rows]
            taken[name] = np.take_along_axis(values, seeds[None], axis=2) if method == "two-level" else values
        for name, value in plain_difference(taken, constants, runs).items():
            found.setdefault(name, []).append(value)
    return {name: np.array(values) for name, values in found.items()}
