"""Speed and memory of the bootstrap at VBench's full size, against plain loops over replicates in the same run.

Run from the repository on an idle machine: ``OMP_NUM_THREADS=1 python -m benchmarks.bootstrap`` (one minute); it writes
``reports/benchmarks/bootstrap.md``. ``--small`` takes 200 replicates and writes no report. Each resampling is held
against a loop that resamples the same: prompts, or prompts and then samples within each prompt that was drawn.
"""

import argparse
import time
from typing import Final, NamedTuple

import numpy as np

from benchmarks.children import cost_of_call
from benchmarks.machine import machine_line, write_report
from probekit.evaluation.aggregation import aggregate
from probekit.seeding import generator
from probekit.statistics.bootstrap_settings import BootstrapSettings
from probekit.statistics.group_bootstrap import group_bootstrap
from probekit.statistics.paired_units import PairedSamples
from probekit.suites.dimension_constants import VBENCH_CONSTANTS

REPLICATES: Final = 10_000
REPEATS: Final = 5
TIMED_PART: Final = 20
"""Part of the replicates for which the plain loops are timed."""
GOAL: Final = 0.6
"""Seconds of the two-level bootstrap."""
SIZES = {
    "A": (72, ("subject_consistency", "motion_smoothness", "dynamic_degree")),
    "B": (93, ("overall_consistency", "aesthetic_quality", "imaging_quality")),
    "C": (86, ("background_consistency", "scene")),
    "temporal_flickering": (75, ("temporal_flickering",)),
    "object_class": (79, ("object_class",)),
    "multiple_objects": (82, ("multiple_objects",)),
    "human_action": (100, ("human_action",)),
    "color": (85, ("color",)),
    "spatial_relationship": (84, ("spatial_relationship",)),
    "appearance_style": (90, ("appearance_style",)),
    "temporal_style": (100, ("temporal_style",)),
}
"""The 946 prompts of VBench in their 11 groups."""


def vbench_pairs(samples: int = 5) -> dict[str, PairedSamples]:
    """Random scores of two methods on the whole suite, within each dimension's range: no mean is warned about."""
    rng, found = generator("benchmark"), {}
    constants = {constant.dimension: constant for constant in VBENCH_CONSTANTS}
    for group, (count, names) in SIZES.items():
        prompts = tuple(f"{group}-{i:03d}" for i in range(count))
        for name in names:
            low, high = constants[name].low, constants[name].high
            found[name] = PairedSamples(prompts, low + (high - low) * rng.random((2, count, samples)))
    return found


def plain_loop(pairs: dict[str, PairedSamples], replicates: int, *, seeds: bool = False) -> np.ndarray:
    """The protocol as one would write it down: a loop over replicates, aggregated one by one; differences of Total.

    Args:
        pairs: scores of two methods, without gaps.
        replicates: how many.
        seeds: whether samples are drawn within each drawn prompt. Dimensions with the same prompts then share a draw.
    """
    rng = generator("plain", str(seeds))
    totals = []
    for _ in range(replicates):
        drawn, shared = {}, {}
        for name, pair in pairs.items():
            if not seeds:
                drawn[name] = _mean(pair.values, _prompts(pair, rng), None)
                continue
            if pair.prompt_ids not in shared:
                shared[pair.prompt_ids] = (
                    _prompts(pair, rng),
                    rng.integers(0, pair.values.shape[2], pair.values.shape[1:]),
                )
            drawn[name] = _mean(pair.values, *shared[pair.prompt_ids])
        scores = [aggregate({name: float(both[m]) for name, both in drawn.items()}, VBENCH_CONSTANTS) for m in (0, 1)]
        totals.append((scores[0].total or 0.0) - (scores[1].total or 0.0))
    return np.array(totals)


def _prompts(pair: PairedSamples, rng: np.random.Generator) -> np.ndarray:
    count = pair.values.shape[1]
    return rng.integers(0, count, size=count)


def _mean(values: np.ndarray, prompts: np.ndarray, samples: np.ndarray | None) -> np.ndarray:
    """Means (2,) of values (2, P, S) over drawn prompts (P,), and over samples (P, S) drawn within each."""
    chosen = values[:, prompts]
    if samples is not None:
        chosen = np.take_along_axis(chosen, samples[None], axis=2)
    return chosen.mean(axis=(1, 2))


class Measured(NamedTuple):
    """A resampling: fastest seconds, memory beyond the scores in MB, and the standard error of Total's difference."""

    seconds: float
    megabytes: float
    error: float


def measured(pairs: dict[str, PairedSamples], resampling: str, replicates: int) -> Measured:
    """The bootstrap as `compare` runs it."""
    settings = BootstrapSettings.model_validate({"resampling": resampling, "replicates": replicates})
    results: list[float] = []

    def run() -> None:
        found = group_bootstrap(pairs, VBENCH_CONSTANTS, settings, rng=generator("run"))
        results.append(found.total.standard_error if found.total else 0.0)

    costs = [cost_of_call(run) for _ in range(REPEATS)]
    return Measured(min(cost.seconds for cost in costs), max(cost.megabytes for cost in costs), results[0])


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="200 replicates; writes no report")
    small: bool = parser.parse_args().small
    replicates = 200 if small else REPLICATES
    few = replicates // TIMED_PART
    pairs = vbench_pairs()
    lines = [
        "# Bootstrap at VBench's full size",
        "",
        f"`python -m benchmarks.bootstrap` on {machine_line()}.",
        "",
        f"946 prompts, 5 samples, 16 dimensions, {replicates:,} replicates; fastest of {REPEATS}. Of the plain loops "
        f"{few} replicates were timed.",
        "",
        "| resampling | seconds | plain loop, seconds | ratio | MB beyond the scores | standard error | plain loop's |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    loops = {}
    for seeds in (False, True):
        started = time.perf_counter()
        totals = plain_loop(pairs, few, seeds=seeds)
        loops[seeds] = (time.perf_counter() - started) * replicates / few, totals.std(ddof=1)
    for resampling in ("paper", "joint", "two-level"):
        one, (loop, error) = measured(pairs, resampling, replicates), loops[resampling == "two-level"]
        shown = "" if resampling == "joint" else f"{error:.4f}"
        lines.append(
            f"| {resampling} | {one.seconds:.2f} | {loop:.2f} | 1/{loop / one.seconds:.0f} | {one.megabytes:.0f} | "
            f"{one.error:.4f} | {shown} |"
        )
    lines += ["", f"Goals for two-level: {GOAL} s, and a tenth of its plain loop.", ""]
    write_report("bootstrap", lines, small)


if __name__ == "__main__":
    main()
