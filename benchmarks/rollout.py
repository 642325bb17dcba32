"""Speed and memory of the rollout and of the training pass, as ratios within one run.

Run from the repository on an idle machine: ``OMP_NUM_THREADS=2 python -m benchmarks.rollout`` (some minutes).
"""

import probekit.models  # noqa: F401  (makes diffusers importable beside a CPU build of torch)

from benchmarks.rollout_speed import compare_rollouts  # isort: skip


def main() -> None:
    """Print one line a measurement."""
    for real_tokens in (512, 96):
        found = compare_rollouts(4, real_tokens)
        chunks = found["chunks"]
        for name, times in chunks.items():
            print(name, real_tokens, [round(1000 * t) for t in times], round(1000 * sum(times)))
        print("ratio", sum(chunks["ours"]) / sum(chunks["plain"]), "diff", found["difference"], "stock", found["stock"])


if __name__ == "__main__":
    main()
