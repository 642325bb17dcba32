"""Speed and memory of the rollout and of the training pass, as ratios within one run.

Run from the repository on an idle machine: ``OMP_NUM_THREADS=2 python -m benchmarks.rollout`` (about four minutes); it
writes ``reports/benchmarks/rollout.md``.
"""

import time
from pathlib import Path

import torch

from benchmarks.live_memory import LiveTensors
from benchmarks.rollout_speed import CHUNKS, FRAMES, LATENT, SIZE, compare_rollouts, our_run, prompt, shared_weights
from benchmarks.training_pass import compare_training
from probekit.atomic_files import write_text
from probekit.models.causal_wan import CausalWan
from probekit.models.presets import sprite_transformer_config
from probekit.provenance import hardware
from probekit.rollout.noise import SeededNoise

REPORT = Path(__file__).parents[1] / "reports" / "benchmarks" / "rollout.md"
ROUNDS = 8


def streaming_table() -> list[str]:
    """Rows of the streaming comparison for a full and for a usual prompt."""
    lines = ["| prompt tokens | plain ms/chunk | ours ms/chunk | ours / plain | stock, first chunk | max difference |"]
    lines.append("| ---: | --- | --- | ---: | ---: | ---: |")
    for real in (512, 96):
        found = compare_rollouts(ROUNDS, real)
        plain, ours = found["chunks"]["plain"], found["chunks"]["ours"]
        cells = [" ".join(f"{1000 * t:.0f}" for t in times) for times in (plain, ours)]
        ratio, stock = sum(ours) / sum(plain), 1000 * found["stock"]
        lines.append(f"| {real} | {cells[0]} | {cells[1]} | {ratio:.2f} | {stock:.0f} ms | {found['difference']:.1e} |")
    return lines


def training_table() -> list[str]:
    """Rows of the teacher-forced pass."""
    lines = ["| model | masked s | chunks s | ratio | masked peak MB | chunks peak MB | ratio | loss difference |"]
    lines.append("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    cases = {"sprite-base": (sprite_transformer_config(4, 8), 8), "width 256, 8 layers, 64 tokens": (SIZE, LATENT)}
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
    facts = hardware()
    share, peak = overhead_share()
    lines = [
        "# Rollout and training pass",
        "",
        f"`OMP_NUM_THREADS={torch.get_num_threads()} python -m benchmarks.rollout` on {facts['processor']}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}, fp32. Fastest of {ROUNDS} interleaved rounds.",
        "",
        f"## Streaming: width 256, 8 layers, 64 tokens per frame, {CHUNKS} chunks of {FRAMES}, 4 steps, a clean pass",
        "",
        *streaming_table(),
        "",
        "Prompt tokens are of 512; the others are zero padding, which is attended to.",
        f"Outside the transformer: {100 * share:.1f} % of a rollout's time. Peak beyond weights: {peak:.1f} MB.",
        "",
        "## Teacher-forced forward and backward over 2 x 21 frames",
        "",
        *training_table(),
        "",
    ]
    write_text(REPORT, "\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
