"""Do stars of few prompts hold their level? Each kind of interval on studies without a true difference.

Run from the repository: ``OMP_NUM_THREADS=1 python -m benchmarks.small_samples`` (``--studies 200`` for a look); it
writes ``reports/benchmarks/small_samples.md``. `interval_choice.MIN_BOOTSTRAP_UNITS` follows from it.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.atomic_files import write_text
from probekit.progress import track
from probekit.seeding import generator
from probekit.statistics.influence import Units
from probekit.statistics.interval_choice import Evidence, choose_interval
from probekit.statistics.intervals import (
    Ends,
    basic_interval,
    bca_interval,
    percentile_interval,
    studentised_interval,
    t_interval,
)

REPORT = Path(__file__).parents[1] / "reports" / "benchmarks" / "small_samples.md"
PROMPTS, REPLICATES, LEVEL = (6, 10, 25, 50, 72, 100), 1000, 0.95
KINDS = ("percentile", "basic", "bca", "studentised", "t", "compare")

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Floats]


def _answers(rng: np.random.Generator, prompts: int, videos: int, share: float) -> Floats:
    """Differences of two models' yes/no answers, each prompt's videos averaged."""
    yes = rng.random((2, prompts, videos)) < share
    differences: Floats = yes[0].mean(axis=1) - yes[1].mean(axis=1)
    return differences


DIFFERENCES: dict[str, Draw] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "skewed (exponential)": lambda rng, n: rng.exponential(size=n) - 1,
    "heavy tails (t, 3)": lambda rng, n: rng.standard_t(3, size=n),
    "yes/no, 5 videos": lambda rng, n: _answers(rng, n, 5, 0.6),
    "yes/no, 1 video": lambda rng, n: _answers(rng, n, 1, 0.6),
    "yes/no, nearly always yes": lambda rng, n: _answers(rng, n, 5, 0.98),
}


class Level(NamedTuple):
    """How one kind of interval did.

    Attributes:
        stars: share of studies whose interval excludes 0.
        absent: share of studies without an interval.
        width: median width.
    """

    stars: float
    absent: float
    width: float


def intervals(differences: Floats, rng: np.random.Generator) -> dict[str, Ends | None]:
    """Every kind of interval of one study; None where it has none."""
    count, mean = len(differences), float(differences.mean())
    centred = differences - mean
    error = float(centred.std() / np.sqrt(count))
    if error == 0:
        return dict.fromkeys(KINDS)
    drawn = centred[rng.integers(0, count, size=(REPLICATES, count))]
    replicates, own = mean + drawn.mean(axis=1), drawn.std(axis=1) / np.sqrt(count)
    units = Units(centred[:, None], np.array([float(count)]), np.array([count - 1.0]))
    chosen = choose_interval(Evidence(mean, replicates, [units], 1.0, count), "percentile", LEVEL)
    return {
        "percentile": percentile_interval(replicates, LEVEL),
        "basic": basic_interval(mean, replicates, LEVEL),
        "bca": bca_interval(mean, replicates, [centred], LEVEL),
        "studentised": studentised_interval(mean, error, replicates, own, LEVEL),
        "t": t_interval(mean, float(differences.std(ddof=1)) / np.sqrt(count), count - 1.0, LEVEL),
        "compare": None if chosen.low is None or chosen.high is None else (chosen.low, chosen.high),
    }


def levels(draw: Draw, name: str, prompts: int, studies: int) -> dict[str, Level]:
    """How each kind of interval did in studies without a difference."""
    found: dict[str, list[Ends | None]] = {kind: [] for kind in KINDS}
    for study in range(studies):
        rng = generator("small samples", name, prompts, study)
        for kind, ends in intervals(draw(rng, prompts), rng).items():
            found[kind].append(ends)
    result = {}
    for kind, listed in found.items():
        there = [ends for ends in listed if ends is not None]
        stars = sum(low > 0 or high < 0 for low, high in there)
        width = float(np.median([high - low for low, high in there])) if there else float("nan")
        result[kind] = Level(stars / studies, 1 - len(there) / studies, width)
    return result


def _cell(level: Level) -> str:
    absent = f" ({100 * level.absent:.0f} % none)" if level.absent > 0.005 else ""
    return f"{100 * level.stars:.1f} %{absent}"


def main() -> None:
    """Simulate and write the report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--studies", type=int, default=2000)
    studies = parser.parse_args().studies
    lines = [
        f"| differences | prompts | {' | '.join(KINDS)} | width studentised : t |",
        "| --- " * (3 + len(KINDS)) + "|",
    ]
    for name, draw in DIFFERENCES.items():
        for prompts in track(PROMPTS, name):
            found = levels(draw, name, prompts, studies)
            width = found["studentised"].width / found["t"].width
            lines.append(f"| {name} | {prompts} | {' | '.join(map(_cell, found.values()))} | {width:.2f} |")
    text = [
        "# Stars of few prompts",
        "",
        f"`OMP_NUM_THREADS=1 python -m benchmarks.small_samples --studies {studies}`. Share of {studies:,} studies "
        f"without a true difference whose 95 % interval excludes 0 (nominal: 5 %), {REPLICATES:,} replicates each; in "
        "brackets the share of studies that get no interval. `compare`: what `probekit compare` gives by default.",
        "",
        *lines,
        "",
    ]
    write_text(REPORT, "\n".join(text))
    print("\n".join(text))


if __name__ == "__main__":
    main()
