"""Fitting probes: all decoders of a site at once against one by one, at full sprite size, alone and beside others.

    python -m benchmarks.probing

Two models, three layers, three horizons, three seeds on 500 videos of 7 chunks, by the decoder of tokens: width 128,
one learning rate, 300 steps of 64 chunks. States are random, since the time does not depend on what they say. Writes
``reports/benchmarks/probing.md`` (four minutes on an idle machine); `--only` and `--sites` measure a part and write
nothing.
"""

import argparse
import os
import subprocess
import sys
import time
from functools import partial

import torch

from benchmarks.arithmetic import operations, product_speed
from benchmarks.machine import machine_line, write_report
from benchmarks.threads import busy_beside
from probekit.probing.decoders import Goals, fit_decoders
from probekit.probing.probe_settings import DecoderBudget

MODELS, LAYERS, HORIZONS, TOKENS = 2, 3, 3, 16
VIDEOS = {"train": 250, "validation": 50, "test": 200}
CHUNKS, INPUTS, OUTPUTS = 7, 3 * 128 + 12, 192
BUDGET = DecoderBudget(learning_rates=(1e-3,), steps=300, batch=64 * TOKENS, patience=100)


def site() -> dict[str, torch.Tensor]:
    """Random inputs of one site's sides, (rows, INPUTS)."""
    rng = torch.Generator().manual_seed(0)
    return {side: torch.randn(count * CHUNKS * TOKENS, INPUTS, generator=rng) for side, count in VIDEOS.items()}


def goals(rows: int, horizons: int) -> Goals:
    """Random goals of horizons."""
    rng = torch.Generator().manual_seed(1)
    return Goals(torch.randn(horizons, rows, OUTPUTS, generator=rng), torch.ones(horizons, rows, dtype=torch.bool))


def together(inputs: dict[str, torch.Tensor]) -> None:
    """All decoders of a site at once."""
    train, validation = (goals(len(inputs[side]), HORIZONS) for side in ("train", "validation"))
    fit_decoders(inputs["train"], train, inputs["validation"], validation, inputs["test"], BUDGET)


def one_by_one(inputs: dict[str, torch.Tensor]) -> None:
    """The same decoders in a loop, with equal batches and steps."""
    train, validation = (goals(len(inputs[side]), 1) for side in ("train", "validation"))
    for _ in range(HORIZONS):
        for seed in BUDGET.seeds:
            alone = BUDGET._replace(seeds=(seed,))
            fit_decoders(inputs["train"], train, inputs["validation"], validation, inputs["test"], alone)


def seconds(work: str, sites: int) -> float:
    """Seconds of a way to fit that many sites."""
    inputs = site()
    started = time.perf_counter()
    for _ in range(sites):
        (together if work == "together" else one_by_one)(inputs)
    return time.perf_counter() - started


def measured(work: str, sites: int) -> float:
    """The same in a process of its own, with a thread per core that waits passively."""
    environment = os.environ | {"OMP_NUM_THREADS": str(os.cpu_count()), "OMP_WAIT_POLICY": "PASSIVE"}
    command = [sys.executable, "-m", "benchmarks.probing", "--only", work, "--sites", str(sites)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def fit_operations() -> int:
    """Operations of the products of all steps of a site's fit."""
    inputs = {side: part[:1024] for side, part in site().items()}
    train, validation = goals(1024, HORIZONS), goals(1024, HORIZONS)
    fit = partial(fit_decoders, inputs["train"], train, inputs["validation"], validation, inputs["test"])
    one, two = (operations(partial(fit, BUDGET._replace(steps=steps))) for steps in (1, 2))
    return (two - one) * BUDGET.steps


def report(whole: float, batched: float, looped: float, beside: float) -> list[str]:
    """Lines of the report, from the seconds of each way."""
    cores, speed, count = os.cpu_count() or 1, product_speed(), fit_operations()
    decoders = MODELS * LAYERS * HORIZONS * len(BUDGET.seeds)
    return [
        "# Fitting probes",
        "",
        f"`python -m benchmarks.probing` on {machine_line()}: {decoders} decoders "
        f"of tokens (width {BUDGET.width}, {BUDGET.steps} steps of 64 chunks), 500 sprite videos.",
        "",
        "| what | seconds | ratio |",
        "| --- | ---: | ---: |",
        f"| all {MODELS * LAYERS} sites, decoders of a site at once | {whole:.1f} | |",
        f"| one site, at once | {batched:.1f} | 1 |",
        f"| one site, one by one | {looped:.1f} | {looped / batched:.2f} |",
        f"| one site, at once, beside {cores} busy processes | {beside:.1f} | {beside / batched:.2f} |",
        "",
        f"Goals: 180 s for all sites, 1.5 for the loop, 1.3 beside others. Arithmetic: a site's steps have "
        f"{count / 1e12:.2f} TFLOP of products, and the fastest fp32 product of this run makes {speed / 1e9:.0f} "
        f"GFLOP/s, so that each way takes at least {count / speed:.1f} s, and today's loop can be beaten by "
        f"at most {looped * speed / count:.2f}. Beside {cores} endless loops of equal priority on {cores} cores, "
        f"a fair scheduler leaves half of them to a fit of as many threads: a ratio of 2.",
        "",
    ]


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("together", "one by one"))
    parser.add_argument("--sites", type=int, default=MODELS * LAYERS)
    arguments = parser.parse_args()
    if arguments.only is not None:
        print(seconds(arguments.only, arguments.sites))
        return
    whole = measured("together", MODELS * LAYERS)
    batched, looped = measured("together", 1), measured("one by one", 1)
    with busy_beside(os.cpu_count() or 1):
        beside = measured("together", 1)
    write_report("probing", report(whole, batched, looped, beside), small=False)


if __name__ == "__main__":
    main()
