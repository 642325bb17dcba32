"""Speed and memory of the rollout and of the training pass, as ratios within one run.

Run from the repository on an idle machine: ``OMP_NUM_THREADS=2 python -m benchmarks.rollout`` (eight minutes); it
writes ``reports/benchmarks/rollout.md``. ``--small`` takes two layers and one round, and writes no report.
"""

import argparse
import logging
import os
import tempfile
import time
from collections.abc import Mapping

import torch
from torch import Tensor

from benchmarks.arithmetic import product_speed
from benchmarks.live_memory import LiveTensors
from benchmarks.machine import machine_line, write_report
from benchmarks.rollout_speed import (
    CHUNKS,
    FRAMES,
    LATENT,
    SIZE,
    Measured,
    compare_rollouts,
    our_run,
    prompt,
    shared_weights,
    streaming_operations,
)
from benchmarks.training_pass import compare_training
from probekit.models.causal_wan import CausalWan
from probekit.models.compiled_blocks import COMPILED_TOLERANCE
from probekit.models.presets import sprite_transformer_config
from probekit.rollout.noise import SeededNoise

ROUNDS = 3
SECONDS_PER_CHUNK = 4 * FRAMES / 16
"""Of video at Wan's 16 frames per second."""
CASES = {
    "fp32, 512": (torch.float32, 512),
    "fp32, 96": (torch.float32, 96),
    "bf16, 96": (torch.bfloat16, 96),
}
"""Precision and prompt tokens, by name."""


def pays_after(eager: Measured, compiled: Measured) -> str:
    """Seconds of video from which compiling has saved as much time as its first video lost."""
    saved = eager.seconds - compiled.seconds
    if saved <= 0:
        return "never"
    chunks = (compiled.warm_up - eager.seconds) / (saved / CHUNKS)
    return f"{max(0.0, chunks) * SECONDS_PER_CHUNK:.0f} s"


def difference(video: Tensor, reference: Tensor) -> str:
    """Largest difference, and the root of the mean square over that of the reference."""
    apart = (video.double() - reference.double()).abs()
    return f"{float(apart.max()):.1e} ({float(apart.square().mean().sqrt() / reference.double().std()):.1e})"


def streaming_table(rounds: int, layers: int) -> list[str]:
    """Rows of every way, precision and length of prompt."""
    lines = [
        "| case | way | ms of each chunk | of plain eager | first video s | pays after | difference |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: |",
    ]
    exact: dict[int, Tensor] = {}
    for name, (dtype, tokens) in CASES.items():
        found, stock = compare_rollouts(rounds, tokens, dtype, layers)
        reference = exact.setdefault(tokens, found["plain eager"].video)
        lines += _rows(name, found, reference)
        lines.append(f"| {name} | stock diffusers, first chunk | {1000 * stock:.0f} | | | | |")
    return lines


def _rows(name: str, found: Mapping[str, Measured], reference: Tensor) -> list[str]:
    rows = []
    for way, one in found.items():
        eager = found[way.replace("compiled", "eager")]
        cells = [
            name, way, " ".join(f"{1000 * seconds:.0f}" for seconds in one.chunks),
            f"{one.seconds / found['plain eager'].seconds:.2f}",
            f"{one.warm_up:.1f}", pays_after(eager, one) if way.endswith("compiled") else "",
            difference(one.video, reference),
        ]  # fmt: skip
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def bound_line(counts: Mapping[str, int], speed: float) -> str:
    """What a chunk costs by its operations alone, and so the least ratio that saving other work can reach.

    Args:
        counts: operations of a video, plain and ours.
        speed: operations per second of the fastest product.
    """
    chunk = {way: count / CHUNKS for way, count in counts.items()}
    return (
        f"Arithmetic: a chunk has {chunk['plain'] / 1e9:.1f} GFLOP in the plain way and {chunk['ours'] / 1e9:.1f} in "
        f"ours, {counts['ours'] / counts['plain']:.2f} of it. The fastest fp32 product of this run makes "
        f"{speed / 1e9:.0f} GFLOP/s, so that a chunk of ours cannot take less than "
        f"{1000 * chunk['ours'] / speed:.0f} ms on average."
    )


def training_table() -> list[str]:
    """Rows of the teacher-forced pass."""
    lines = ["| model | masked s | chunks s | ratio | masked peak MB | chunks peak MB | ratio | loss difference |"]
    lines.append("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    cases = {"sprite-base": (sprite_transformer_config(3, 4, 64), 8), "width 256, 8 layers, 64 tokens": (SIZE, LATENT)}
    for name, (config, latent) in cases.items():
        f = compare_training(config, latent, 3)
        lines.append(
            f"| {name} | {f['masked seconds']:.2f} | {f['chunks seconds']:.2f} | "
            f"{f['chunks seconds'] / f['masked seconds']:.2f} | "
            f"{f['masked peak MB']:.0f} | {f['chunks peak MB']:.0f} | "
            f"{f['chunks peak MB'] / f['masked peak MB']:.2f} | {abs(f['masked loss'] - f['chunks loss']):.1e} |"
        )
    return lines


@torch.no_grad()
def overhead_share() -> tuple[float, float]:
    """Share of a rollout's time outside the transformer, and the rollout's peak memory beyond weights in MB."""
    _, ours = shared_weights()
    noise = SeededNoise(("benchmark",), range(1), (16, FRAMES, LATENT, LATENT))
    run = our_run(ours, prompt(96), noise)
    run(lambda: None)
    inside = 0.0
    originals = {name: getattr(CausalWan, name) for name in ("forward", "write_keys")}

    def timed(name: str):
        def call(*args, **kwargs):
            nonlocal inside
            started = time.perf_counter()
            result = originals[name](*args, **kwargs)
            inside += time.perf_counter() - started
            return result

        return call

    for name in originals:
        setattr(CausalWan, name, timed(name))
    started = time.perf_counter()
    run(lambda: None)
    whole = time.perf_counter() - started
    for name, original in originals.items():
        setattr(CausalWan, name, original)
    with LiveTensors() as live:
        run(lambda: None)
    return 1 - inside / whole, live.peak / 1e6


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="two layers, one round, no training; writes no report")
    small: bool = parser.parse_args().small
    torch._logging.set_logs(dynamo=logging.ERROR)  # where the plain one cannot be one graph is no news
    rounds, layers = (1, 2) if small else (ROUNDS, SIZE["num_layers"])
    with tempfile.TemporaryDirectory() as cache:  # so that no code of an earlier run is found
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache
        table = streaming_table(rounds, layers)
    lines = [
        "# Rollout and training pass",
        "",
        f"`OMP_NUM_THREADS={torch.get_num_threads()} python -m benchmarks.rollout` on {machine_line()}. Fastest of "
        f"{rounds} interleaved rounds.",
        "",
        f"## Streaming: width 256, {layers} layers, 64 tokens per frame, {CHUNKS} chunks of {FRAMES}, 4 steps, a clean "
        "pass",
        "",
        *table,
        "",
        "A case is a precision and the prompt's own tokens of 512; the others are zero padding, which is attended to. "
        "The first video of each way, in "
        "which a compiled one compiles, is in its own column and in no other; code that an earlier case made is used "
        "again. `pays after` is the length of video from "
        "which compiling has won that back. Goals against plain eager at equal precision: 0.6 compiled, 0.75 eager.",
        "",
        bound_line(streaming_operations(layers), product_speed()),
        "",
        "The difference is the largest one of latents from plain eager in fp32 with the same prompt; in brackets its "
        "root mean square over the latents' standard deviation. In fp32, compiled and eager may differ by "
        f"{COMPILED_TOLERANCE:.0e}.",
        "",
    ]
    if not small:
        share, peak = overhead_share()
        lines += [
            f"Outside the transformer: {100 * share:.1f} % of a rollout's time. Peak beyond weights: {peak:.1f} MB.",
            "",
            "## Teacher-forced forward and backward over 2 x 21 frames",
            "",
            *training_table(),
            "",
        ]
    write_report("rollout", lines, small)


if __name__ == "__main__":
    main()
