"""How time and memory grow with videos, length of a rollout, score rows and prompts of a report.

Run from the repository on an idle machine: ``OMP_NUM_THREADS=2 python -m benchmarks.growth`` (20 minutes); it writes
``reports/benchmarks/growth.md``, and with ``--only`` some of its sections. ``--small`` takes tiny sizes and writes no
report. Each size is measured in a process of its own. Memory is what comes on top of what the process held when the
work began, with its libraries loaded before.
"""

import argparse
import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.children import Cost, cost_of_call, costs_in_child, print_costs
from benchmarks.growth_steps import STEPS, Step
from benchmarks.machine import REPORTS, machine_line, write_report

QUADRATIC: Final = 1.5
"""Exponent of the last step above which growth is no longer taken for proportional."""


def exponent(sizes: Sequence[int], values: Sequence[float]) -> float:
    """The b of a·size^b that fits best, by least squares of logarithms. NaN where a value is 0.

    Args:
        sizes: two or more sizes.
        values: what each took.
    """
    if min(values) <= 0:
        return math.nan
    slope, _ = np.polyfit(np.log(sizes), np.log(values), 1)
    return float(slope)


def measured(name: str, size: int) -> dict[str, Cost]:
    """Costs of a step's pieces of work, in this process."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        if STEPS[name].warm and size not in STEPS[name].small:
            for _, run in STEPS[name].work(min(STEPS[name].small), Path(folder) / "warm"):
                run()  # loads the libraries
        for piece, run in STEPS[name].work(size, Path(folder) / "measured"):
            found[piece] = cost_of_call(run)
    return found


def table(step: Step, sizes: Sequence[int], costs: Sequence[Mapping[str, Cost]]) -> list[str]:
    """Rows of a step: seconds and MB of each piece at each size, and their exponents."""
    lines = [
        f"| {step.unit} | {' | '.join(f'{size:,}' for size in sizes)} | exponent | of the last step |",
        f"| --- | {' | '.join(['---:'] * len(sizes))} | ---: | ---: |",
    ]
    for piece in costs[0]:
        for unit, values in (
            ("s", [cost[piece].seconds for cost in costs]),
            ("MB", [cost[piece].megabytes for cost in costs]),
        ):
            cells = " | ".join(f"{value:.3g}" for value in values)
            whole, last = exponent(sizes, values), exponent(sizes[-2:], values[-2:])
            lines.append(f"| {piece}, {unit} | {cells} | {whole:.2f} | {last:.2f} |")
    return lines


def report(sections: Mapping[str, Sequence[str]]) -> list[str]:
    """Lines of a report, its sections in the order of the steps."""
    lines = [
        "# Growth of time and memory",
        "",
        "`python -m benchmarks.growth`. The exponent b is that of a·size^b, fitted to all sizes, and to the two "
        "largest, where what does not grow counts least. "
        f"1 is proportional; a last exponent above {QUADRATIC} is looked into. "
        "Memory is beyond that of the process before.",
        "",
    ]
    for name in map(str.capitalize, STEPS):
        if name in sections:
            lines += [f"## {name}", "", *sections[name], ""]
    return lines


def read_sections(path: Path) -> dict[str, list[str]]:
    """Lines of the sections of an earlier report, by heading; none where there is no report."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    parts = [part.splitlines() for part in text.split("\n## ")[1:]]
    return {heading: "\n".join(lines).strip().splitlines() for heading, *lines in parts}


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="tiny sizes; writes no report")
    parser.add_argument("--only", choices=STEPS, nargs="+", default=list(STEPS), help="steps; the other sections stay")
    parser.add_argument("--measure", nargs=2, metavar=("STEP", "SIZE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        name, size = arguments.measure
        return print_costs(measured(name, int(size)))
    sections = {} if arguments.small else read_sections(REPORTS / "growth.md")
    for name in arguments.only:
        step = STEPS[name]
        sizes = step.small if arguments.small else step.sizes
        costs = [costs_in_child("benchmarks.growth", ["--measure", name, str(size)]) for size in sizes]
        sections[name.capitalize()] = [
            f"On {machine_line()}; load {os.getloadavg()[0]:.1f}.",
            "",
            *table(step, sizes, costs),
        ]
        write_report("growth", report(sections), arguments.small)


if __name__ == "__main__":
    main()
