"""How fast the live view generates: frames per second of the shipped arms, alone and in step, read and forked.

Run from the repository on an idle machine: ``OMP_NUM_THREADS=2 python -m benchmarks.live`` (two minutes, and some for
the heads where ``runs/probes`` has none); it writes ``reports/benchmarks/live.md``. ``--small`` takes two chunks, fits
no head and writes no report.
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.live_recording import HEADS, MODELS, fit_heads
from benchmarks.machine import machine_line, write_report
from probekit.live.live_session import LiveSession
from probekit.live.script import Change, Script
from probekit.rollout.sampling_config import SamplingConfig
from probekit.suites.registry import load_suite
from probekit.suites.suite import Suite
from probekit.workflows.watch import open_watched

CHUNKS: Final = 20
HEAD_PROMPTS: Final = 60
FORK_SEEDS: Final = (1, 2)


class Pace(NamedTuple):
    """What a way of watching takes.

    Attributes:
        seconds: seconds of each chunk after the first, which has fewer frames.
        frames: frames of such a chunk.
    """

    seconds: Sequence[float]
    frames: int

    def row(self, fps: float) -> str:
        """Frames per second in the median and in the slowest chunk, and the share of real time that is left."""
        median, slowest = (self.frames / pick(self.seconds) for pick in (statistics.median, max))
        return f"{median:.1f} | {slowest:.1f} | {median / fps:.2f}"


def pace(models: Sequence[str], suite: Suite, heads: Path, forks: Sequence[int], chunks: int) -> Pace:
    """Seconds of the chunks of one session; forks begin at the second chunk."""
    watched = open_watched(models, suite, heads, SamplingConfig()).watched
    prompt = next(iter(suite.generation_texts().values()))
    changes = (Change(chunk=1, forks=tuple(forks)),) if forks else ()
    session = LiveSession(watched.sources, Script(prompt=prompt, seed=0, changes=changes))
    session.advance()
    seconds = []
    for chunk in range(1, chunks):
        session.seen(chunk - 1)
        started = time.perf_counter()
        step = session.advance()
        seconds.append(time.perf_counter() - started)
    return Pace(seconds, len(step[0].live.frames))


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--heads", type=Path, default=HEADS, help="folder with readout heads")
    parser.add_argument("--small", action="store_true", help="two chunks, no head is fitted; writes no report")
    arguments = parser.parse_args()
    small: bool = arguments.small
    suite = load_suite("sprite-30s")
    if not small and open_watched(MODELS, suite, arguments.heads, SamplingConfig()).lacks_heads():
        fit_heads(arguments.heads, HEAD_PROMPTS)
    rows = []
    for name, models in (("one model", MODELS[:1]), ("two models in step", MODELS)):
        for forks in ((), FORK_SEEDS):
            found = pace(models, suite, arguments.heads, forks, 3 if small else CHUNKS)
            rows.append(f"| {name} | {len(forks)} | {len(models) * (1 + len(forks))} | {found.row(suite.fps)} |")
    lines = [
        "# The live view",
        "",
        f"`python -m benchmarks.live` on {machine_line()}.",
        "",
        f"Frames per second that a session of `probekit watch` generates, decodes and reads (+1 to +3 chunks), of "
        f"{suite.width}x{suite.height} pixels; {CHUNKS} chunks. The video has {suite.fps:g} frames per second: above 1 "
        "in the last column it plays in real time.",
        "",
        "| watched | forks | rollouts | median | slowest chunk | of real time |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        *rows,
        "",
    ]
    write_report("live", lines, small)


if __name__ == "__main__":
    main()
