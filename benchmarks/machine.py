"""What every report says of the machine: processor, instruction sets, cores, threads."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch

from probekit.atomic_files import write_text
from probekit.provenance import hardware

REPORTS: Final = Path(__file__).parents[1] / "reports" / "benchmarks"
SETS: Final = {
    "AVX2": ("avx2",),
    "AVX-512": ("avx512f",),
    "AVX-512 bf16": ("avx512_bf16",),
    "AMX": ("amx_tile", "amx_bf16"),
}
"""Instruction sets that decide the speed of matrix products, and the flags by which Linux names them."""


def instruction_sets(cpuinfo: str) -> dict[str, bool]:
    """Which of `SETS` a processor has, by the text of ``/proc/cpuinfo``."""
    lines = [line.partition(":")[2].split() for line in cpuinfo.splitlines() if line.startswith("flags")]
    flags = set(lines[0]) if lines else set()
    return {name: flags.issuperset(needed) for name, needed in SETS.items()}


def machine_line() -> str:
    """Processor, instruction sets, cores, threads and torch, in one sentence."""
    facts, path = hardware(), Path("/proc/cpuinfo")
    found = instruction_sets(path.read_text(encoding="utf-8")) if path.is_file() else {}
    has = ", ".join(name for name, there in found.items() if there) or "unknown instruction sets"
    lacks = ", ".join(name for name, there in found.items() if not there)
    return (
        f"{facts['processor']}, {facts['cores']} cores, {torch.get_num_threads()} threads, {facts['memory_gib']} GiB; "
        f"{has}{f'; without {lacks}' if lacks else ''}; torch {torch.__version__}, which uses "
        f"{torch.backends.cpu.get_cpu_capability()}"
    )


def write_report(name: str, lines: Sequence[str], small: bool) -> None:
    """Print a report and write it to ``reports/benchmarks/<name>.md``; a small run is only printed."""
    text = "\n".join(lines)
    print(text)
    if not small:
        write_text(REPORTS / f"{name}.md", text)
