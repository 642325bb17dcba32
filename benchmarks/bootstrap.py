"""Speed and memory of the paper's test at VBench's full size, against a plain loop over replicates in the same run.

Run from the repository on an idle machine: ``OMP_NUM_THREADS=1 python -m benchmarks.bootstrap``; it writes
``reports/benchmarks/bootstrap.md``.
"""

import resource
import time
from pathlib import Path

import numpy as np

from probekit.atomic_files import write_text
from probekit.evaluation.aggregation import aggregate
from probekit.seeding import generator
from probekit.statistics.bootstrap_settings import BootstrapSettings
from probekit.statistics.group_bootstrap import group_bootstrap
from probekit.statistics.paired_units import PairedSamples
from probekit.suites.dimension_constants import VBENCH_CONSTANTS

REPORT = Path(__file__).parents[1] / "reports" / "benchmarks" / "bootstrap.md"
REPLICATES = 10_000
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
    """Random scores of two methods on the whole suite."""
    rng = generator("benchmark")
    return {
        name: PairedSamples(tuple(f"{group}-{i:03d}" for i in range(count)), rng.random((2, count, samples)))
        for group, (count, names) in SIZES.items()
        for name in names
    }


def plain_loop(pairs: dict[str, PairedSamples], replicates: int) -> np.ndarray:
    """The protocol as one would write it down: a loop over replicates, aggregated one by one."""
    rng = generator("plain")
    means = {name: pair.prompt_means() for name, pair in pairs.items()}
    totals = []
    for _ in range(replicates):
        drawn = {}
        for name, values in means.items():
            chosen = rng.integers(0, values.shape[1], size=values.shape[1])
            drawn[name] = values[:, chosen].mean(axis=1)
        scores = [aggregate({name: float(both[m]) for name, both in drawn.items()}, VBENCH_CONSTANTS) for m in (0, 1)]
        totals.append((scores[0].total or 0.0) - (scores[1].total or 0.0))
    return np.array(totals)


def main() -> None:
    """Measure and write the report."""
    pairs = vbench_pairs()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = {}
    for name in ("paper", "joint", "two-level"):
        settings = BootstrapSettings.model_validate({"resampling": name, "replicates": REPLICATES})
        times = []
        for _ in range(5):
            started = time.perf_counter()
            result = group_bootstrap(pairs, VBENCH_CONSTANTS, settings, rng=generator("run"))
            times.append(time.perf_counter() - started)
        seconds[name] = min(times)
        if name == "paper":
            memory, error = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, result.total.standard_error
    few = REPLICATES // 20
    started = time.perf_counter()
    plain = plain_loop(pairs, few)
    loop = (time.perf_counter() - started) * REPLICATES / few
    lines = [
        "# Bootstrap at VBench's full size",
        "",
        f"`OMP_NUM_THREADS=1 python -m benchmarks.bootstrap`: 946 prompts, 16 dimensions, {REPLICATES:,} replicates.",
        "",
        "| resampling | seconds | of the plain loop |",
        "| --- | ---: | ---: |",
        f"| plain loop over replicates ({few} timed) | {loop:.2f} | 1 |",
        *(f"| {name} | {value:.2f} | 1/{loop / value:.0f} |" for name, value in seconds.items()),
        "",
        f"Memory beyond the scores: {memory / 1024:.0f} MB. Standard error of Total: ours {error:.4f}, plain loop "
        f"{plain.std(ddof=1):.4f}.",
        "",
    ]
    write_text(REPORT, "\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
