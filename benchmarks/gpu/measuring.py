"""Clocks, peaks and tables that the steps share."""

import math
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch


def synchronize(device: str) -> None:
    """Wait until a device has done what it was given."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def seconds_of(run: Callable[[], object], device: str, repeats: int, warm_up: int = 1) -> list[float]:
    """Wall times of repetitions, after some without the clock."""
    for _ in range(warm_up):
        run()
    times = []
    for _ in range(repeats):
        synchronize(device)
        started = time.perf_counter()
        run()
        synchronize(device)
        times.append(time.perf_counter() - started)
    return times


class Peak(NamedTuple):
    """Largest memory of a run in bytes; NaN on a CPU."""

    bytes: float


def peak_of(run: Callable[[], object], device: str) -> Peak:
    """Largest memory that torch held while something ran."""
    if not device.startswith("cuda"):
        run()
        return Peak(math.nan)
    torch.cuda.reset_peak_memory_stats()
    run()
    synchronize(device)
    return Peak(float(torch.cuda.max_memory_allocated()))


def quantile(values: Sequence[float], share: float) -> float:
    """A quantile of a few numbers, by linear interpolation."""
    return float(torch.tensor(list(values), dtype=torch.float64).quantile(share))


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def reason_of(error: Exception) -> str:
    """One line that says why something could not be measured."""
    first = str(error).strip().splitlines()
    return f"{type(error).__name__}: {first[0] if first else 'no message'}"[:200]
