"""Everything that a GPU must show, in one command.

    python -m benchmarks.gpu --minutes 25 --out DIR

Steps run in order, each in a process of its own, so a failure or a crash costs only its own step. A step's table is
written to `DIR/<step>.md` as soon as it is known; a second call passes over the steps that are done. `--tiny` runs the
same steps at a tiny size on a CPU, which tests them.
"""

import argparse
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.gpu import chain, distillation, facts, parity, scoring, streaming
from benchmarks.gpu.sizes import FULL, TINY, Sizes
from probekit.atomic_files import write_text

LOGGER = logging.getLogger("benchmarks.gpu")


class Step(NamedTuple):
    """One step.

    Attributes:
        title: heading of its table.
        run: measures and returns Markdown, given sizes, a folder and the seconds that it may take.
        minutes: longest time of the step; None is what is left.
    """

    title: str
    run: Callable[[Sizes, Path, float], str]
    minutes: float | None


STEPS: Final[dict[str, Step]] = {
    "facts": Step("Facts", facts.run, 2),
    "parity": Step("Parity", parity.run, 2),
    "streaming": Step("Streaming, Wan 1.3B", streaming.run, 7),
    "foresight-cost": Step("What foresight costs", distillation.run_cost, 5),
    "scoring": Step("Scoring", scoring.run, 4),
    "training": Step("Training throughput and memory", distillation.run_training, 5),
    "chain": Step("Sprite chain", chain.run, None),
}
_FAILED: Final = "failed"
_GRACE_SECONDS: Final = 120.0
"""Time beyond its limit that a step has to save what it holds."""


def one_step(name: str, sizes: Sizes, out: Path, seconds: float) -> None:
    """Run a step in this process and write its table."""
    step = STEPS[name]
    table = step.run(sizes, out, seconds)
    write_text(out / f"{name}.md", f"# {step.title}\n\n{table}")


def all_steps(out: Path, minutes: float, tiny: bool) -> list[str]:
    """Run every step that is not done, as long as there is time; returns a line for each."""
    end, lines = time.monotonic() + 60 * minutes, []
    for name, step in STEPS.items():
        if (out / f"{name}.md").is_file():
            lines.append(f"{name}: done before")
            continue
        left = end - time.monotonic()
        if left <= 0:
            lines.append(f"{name}: no time left")
            continue
        limit = left if step.minutes is None else min(left, 60 * step.minutes)
        lines.append(f"{name}: {_child(name, out, limit, tiny)}")
        LOGGER.info("%s", lines[-1])
    return lines


def _child(name: str, out: Path, seconds: float, tiny: bool) -> str:
    """Run a step in a child process; its output goes to a log beside the table.

    The step is the leader of a process group, so that one that does not end takes its own children with it.
    """
    words = [sys.executable, "-m", "benchmarks.gpu", "--out", str(out), "--step", name, "--seconds", str(seconds)]
    started = time.monotonic()
    with (out / f"{name}.log").open("w") as log:
        child = subprocess.Popen(
            [*words, *(["--tiny"] if tiny else [])], stdout=log, stderr=log, start_new_session=True
        )
        try:
            code = child.wait(timeout=seconds + _GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            return f"{_FAILED}: longer than {seconds:.0f} s"
        except BaseException:
            os.killpg(child.pid, signal.SIGTERM)
            raise
    if code:
        return f"{_FAILED}: exit status {code}, see {name}.log"
    return f"{time.monotonic() - started:.0f} s"


def main() -> None:
    """Parse, run, and write the summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=25)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tiny", action="store_true", help="tiny sizes on a CPU")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=60, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.step:
        one_step(arguments.step, TINY if arguments.tiny else FULL, arguments.out, arguments.seconds)
        return
    lines = all_steps(arguments.out, arguments.minutes, arguments.tiny)
    write_text(arguments.out / "summary.md", "\n".join(f"- {line}" for line in lines) + "\n")
    sys.exit(any(_FAILED in line for line in lines))


if __name__ == "__main__":
    main()
