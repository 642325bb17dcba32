"""What the waiting policy of threads and the number of threads cost, alone and beside a busy process.

    python -m benchmarks.threads

Each measurement is a process of its own: a probe is fitted, or a small training goes on for some steps. What is busy
beside it is an endless loop on one core. Prints seconds, and writes nothing.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

BUSY = "while True: pass"
JOBS = ("training", "probe")


def probe(steps: int) -> float:
    """Seconds of a fit of 18 decoders: 300 chunks of 128 components, three horizons, three seeds, two rates."""
    import torch

    from probekit.probing.decoders import Goals, _fit
    from probekit.probing.probe_settings import DecoderBudget

    rng = torch.Generator().manual_seed(0)
    states = torch.randn(300, 128, generator=rng)
    goals = Goals(torch.randn(3, 300, 128, generator=rng), torch.ones(3, 300, dtype=torch.bool))
    budget = DecoderBudget(steps=steps, validate_every=steps)
    started = time.perf_counter()
    _fit(states, goals, states, goals, states, budget)  # as many threads as there are
    return time.perf_counter() - started


def training(steps: int) -> float:
    """Seconds of steps of a small perceptron, whose parallel regions are short."""
    import torch

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(256, 512), torch.nn.GELU(), torch.nn.Linear(512, 256))
    optimizer, inputs = torch.optim.AdamW(model.parameters()), torch.randn(256, 256)
    started = time.perf_counter()
    for _ in range(steps):
        optimizer.zero_grad()
        model(inputs).square().mean().backward()
        optimizer.step()
    return time.perf_counter() - started


@contextmanager
def busy_beside(count: int) -> Iterator[None]:
    """Keep a number of cores busy."""
    processes = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def measured(work: str, steps: int, threads: int, policy: str | None) -> float:
    """Seconds of a piece of work in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    environment |= {"OMP_NUM_THREADS": str(threads)} | ({} if policy is None else {"OMP_WAIT_POLICY": policy})
    command = [sys.executable, "-m", "benchmarks.threads", "--only", work, "--steps", str(steps)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--busy", type=int, default=1)
    parser.add_argument("--only", choices=JOBS)
    arguments = parser.parse_args()
    if arguments.only is not None:
        print((probe if arguments.only == "probe" else training)(arguments.steps))
        return
    print(f"{os.cpu_count()} cores; seconds of {arguments.steps} steps; load before: {os.getloadavg()[0]:.1f}")
    print(f"{'':10}{'threads':>8}{'policy':>10}{'alone':>10}{'beside':>10}")
    for work in JOBS:
        for threads, policy in ((2, None), (2, "PASSIVE"), (1, None), (1, "PASSIVE")):
            alone = measured(work, arguments.steps, threads, policy)
            with busy_beside(arguments.busy):
                beside = measured(work, arguments.steps, threads, policy)
            print(f"{work:10}{threads:8}{policy or 'default':>10}{alone:10.2f}{beside:10.2f}", flush=True)


if __name__ == "__main__":
    main()
