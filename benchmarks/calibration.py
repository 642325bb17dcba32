"""Do the intervals cover? Simulated studies with correlated dimensions of one video and seeds nested in prompts.

Run from the repository: ``OMP_NUM_THREADS=1 python -m benchmarks.calibration`` (``--simulations 400``
for a look; half an hour at full size); it writes ``reports/benchmarks/calibration.md``.
"""

import argparse
from pathlib import Path

import numpy as np

from probekit.atomic_files import write_text
from probekit.progress import track
from probekit.seeding import generator
from probekit.statistics.bootstrap_settings import BootstrapSettings
from probekit.statistics.group_bootstrap import group_bootstrap
from probekit.statistics.paired_units import PairedSamples, quantity_slopes
from probekit.statistics.significance_table import significance_rows
from probekit.suites.dimension_constants import SPRITE_CONSTANTS

REPORT = Path(__file__).parents[1] / "reports" / "benchmarks" / "calibration.md"
SAMPLES, REPLICATES = 5, 500
METHODS = {
    "paper": {"resampling": "paper"},
    "joint": {"resampling": "joint"},
    "joint, studentised": {"resampling": "joint", "interval": "studentised"},
    "joint, BCa": {"resampling": "joint", "interval": "bca"},
    "two-level": {"resampling": "two-level"},
    "naive: every video per prompt": {"resampling": "joint"},
}


def study(rng: np.random.Generator, prompts: int, effect: float) -> dict[str, PairedSamples]:
    """Paired scores: prompts and samples differ, and both parts are shared by the dimensions of a video."""
    count = len(SPRITE_CONSTANTS)
    prompt_part = rng.normal(size=(count, prompts, 1)) + rng.normal(size=(1, prompts, 1))
    sample_part = rng.normal(size=(count, prompts, SAMPLES)) + rng.normal(size=(1, prompts, SAMPLES))
    differences = effect + 0.05 * prompt_part + 0.05 * sample_part
    ids = tuple(f"p{i:03d}" for i in range(prompts))
    return {
        constant.dimension: PairedSamples(ids, np.stack([0.5 + d, np.full_like(d, 0.5)]))
        for constant, d in zip(SPRITE_CONSTANTS, differences, strict=True)
    }


def as_videos(pairs: dict[str, PairedSamples]) -> dict[str, PairedSamples]:
    """The naive view: every video is a unit of its own."""
    return {
        name: PairedSamples(
            tuple(f"{prompt}-{s}" for prompt in pair.prompt_ids for s in range(SAMPLES)),
            pair.values.reshape(2, -1, 1),
        )
        for name, pair in pairs.items()
    }


def main() -> None:
    """Simulate and write the report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--simulations", type=int, default=4000)
    simulations = parser.parse_args().simulations
    names, slopes = quantity_slopes(tuple(c.dimension for c in SPRITE_CONSTANTS), SPRITE_CONSTANTS)
    slope = slopes[names.index("total")].sum()
    lines = ["| prompts | effect | " + " | ".join(METHODS) + " |", "|" + " --- |" * (2 + len(METHODS))]
    p_values = []
    for prompts, effect in ((72, 0.0), (72, 0.02), (100, 0.0)):
        hits = dict.fromkeys(METHODS, 0)
        for simulation in track(range(simulations), f"{prompts} prompts, effect {effect}"):
            pairs = study(generator("study", prompts, str(effect), simulation), prompts, effect)
            for name, changes in METHODS.items():
                settings = BootstrapSettings.model_validate({"replicates": REPLICATES, **changes})
                units = as_videos(pairs) if name.startswith("naive") else pairs
                total = group_bootstrap(units, SPRITE_CONSTANTS, settings, rng=generator("b", simulation)).total
                hits[name] += total.low <= slope * effect <= total.high
            if effect == 0.0 and prompts == 72:
                rows = significance_rows(pairs, SPRITE_CONSTANTS, seed=simulation, permutations=400)
                p_values.append(next(row.p_value for row in rows if row.quantity == "total"))
        shares = " | ".join(f"{100 * hit / simulations:.1f} %" for hit in hits.values())
        lines.append(f"| {prompts} | {effect} | {shares} |")
    below = " ".join(f"{level:g}: {np.mean(np.array(p_values) <= level):.3f}" for level in (0.01, 0.05, 0.1, 0.5))
    text = [
        "# Calibration",
        "",
        f"`OMP_NUM_THREADS=1 python -m benchmarks.calibration --simulations {simulations}`. Share of "
        f"{simulations:,} simulated studies whose 95 % interval of SpriteTotal holds the truth; {SAMPLES} samples a "
        "prompt, "
        f"ten dimensions of one video correlated 0.5 in prompts and in samples, {REPLICATES} replicates.",
        "",
        *lines,
        "",
        f"Permutation test of Total under the null, share of p-values at most: {below}.",
        "",
    ]
    write_text(REPORT, "\n".join(text))
    print("\n".join(text))


if __name__ == "__main__":
    main()
