"""Time and peak memory of work in a process of its own, so that one measurement does not see the memory of another."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple


class Cost(NamedTuple):
    """What something took.

    Attributes:
        seconds: wall time.
        megabytes: largest memory: of a whole process, or beyond what it held before.
    """

    seconds: float
    megabytes: float


def cost_of_command(command: Sequence[str], folder: Path) -> Cost:
    """Wall time and peak memory of a command from its start to its end, its imports included; it must succeed."""
    started = time.perf_counter()
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command} ended with {process.returncode}: {(folder / 'output.txt').read_text()[-2000:]}")
    return Cost(seconds, usage.ru_maxrss / 1024)


def cost_of_call(run: Callable[[], object]) -> Cost:
    """Wall time of a call in this process, and how far its memory rose above what it was before."""
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the peak starts again
    before, started = _status("VmRSS"), time.perf_counter()
    run()
    return Cost(time.perf_counter() - started, max(0.0, _status("VmHWM") - before))


def _status(field: str) -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1024


def costs_in_child(module: str, arguments: Sequence[str]) -> dict[str, Cost]:
    """The costs that a module prints when it is run with these arguments, see `print_costs`."""
    command = [sys.executable, "-m", module, *arguments]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: dict[str, list[float]] = json.loads(output.rstrip().splitlines()[-1])
    return {name: Cost(*cost) for name, cost in found.items()}


def print_costs(costs: dict[str, Cost]) -> None:
    """Print costs as `costs_in_child` reads them."""
    print(json.dumps(costs))
