"""Time and memory of `probekit compare` on result files of VBench's size.

Run from the repository on an idle machine: ``OMP_NUM_THREADS=1 python -m benchmarks.compare`` (two minutes); it writes
``reports/benchmarks/compare.md``. ``--small`` takes few prompts and writes no report. Each command runs in a process of
its own, three times; the fastest counts, from the start of Python to its end.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from benchmarks.bootstrap import SIZES
from benchmarks.children import Cost, cost_of_command
from benchmarks.machine import machine_line, write_report
from probekit.suites.dimension_constants import VBENCH_CONSTANTS
from tests.helpers.result_files import vbench_scores, write_results

MODELS: Final = ("A", "B", "C", "D")
SAMPLES: Final = 5
GOAL: Final = Cost(8.0, 400.0)
PROBEKIT: Final = (sys.executable, "-c", "from probekit.cli.entry import probekit; probekit()")
RESAMPLINGS: Final = ("paper", "two-level")


def every_prompt(prompts: int) -> Callable[[str], Sequence[str]]:
    """Every prompt in every dimension: the largest files that there can be."""
    texts = [f"a thing of number {number} on a table" for number in range(prompts)]
    return lambda dimension: texts


def own_prompts(prompts: int) -> Callable[[str], Sequence[str]]:
    """Prompts of a dimension in the numbers of VBench's list, whose 946 stand in 11 groups, cut in proportion."""
    sizes = {name: (group, count * prompts // 946) for group, (count, names) in SIZES.items() for name in names}

    def texts(dimension: str) -> list[str]:
        group, count = sizes[dimension]
        return [f"a thing of {group} number {number} on a table" for number in range(max(2, count))]

    return texts


def write_models(folder: Path, texts: Callable[[str], Sequence[str]]) -> list[Path]:
    """A folder of result files for each model."""
    return [
        write_results(folder / model, vbench_scores(texts, seed, shift=0.005 * seed, samples=SAMPLES))
        for seed, model in enumerate(MODELS)
    ]


def videos_in(folder: Path) -> int:
    """Scores in the result files of a model."""
    (path,) = folder.glob("*.json")
    return sum(len(entries) for _, entries in json.loads(path.read_text(encoding="utf-8")).values())


def fastest(folders: Sequence[Path], resampling: str, out: Path, repeats: int) -> Cost:
    """The least time of some calls, and the largest memory."""
    command = [*PROBEKIT, "compare", *map(str, folders), "--out", str(out), "--method", resampling]
    costs = [cost_of_command(command, out.parent) for _ in range(repeats)]
    return Cost(min(cost.seconds for cost in costs), max(cost.megabytes for cost in costs))


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="few prompts, once; writes no report")
    small: bool = parser.parse_args().small
    prompts, repeats = (10, 1) if small else (946, 3)
    kinds = {"every prompt in every dimension": every_prompt, "VBench's own list": own_prompts}
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for number, (kind, texts) in enumerate(kinds.items()):
            place = Path(name) / str(number)
            folders = write_models(place, texts(prompts))
            for resampling in RESAMPLINGS[:repeats]:
                cost = fastest(folders, resampling, place / "comparison", repeats)
                rows.append(
                    f"| {kind} | {videos_in(folders[0]):,} | {resampling} | {cost.seconds:.1f} | {cost.megabytes:.0f} |"
                )
    lines = [
        "# `probekit compare` on result files of VBench's size",
        "",
        f"`python -m benchmarks.compare` on {machine_line()}.",
        "",
        f"{len(MODELS)} models, {prompts} prompts, {SAMPLES} samples, {len(VBENCH_CONSTANTS)} dimensions; 10,000 "
        f"replicates, significance, tables and figures; the whole command, imports included; fastest of {repeats}.",
        "",
        "| files | scores per model | resampling | seconds | peak MB |",
        "| --- | ---: | --- | ---: | ---: |",
        *rows,
        "",
        f"Goal for every prompt in every dimension, by the paper's resampling: {GOAL.seconds:g} s and "
        f"{GOAL.megabytes:g} MB.",
        "",
    ]
    write_report("compare", lines, small)


if __name__ == "__main__":
    main()
