"""What a video costs when 1, 2, 4 or 8 are in each pass: where a larger pass stops paying is `rollout/fixed_batch.py`.

    OMP_NUM_THREADS=1 python -m benchmarks.batch_size

Prints processor seconds per video, and tokens per pass, of the sprite world's stream and of its whole clips.
"""

import argparse
import time

from probekit.models.model_folder import model_folder
from probekit.rollout import fixed_batch
from probekit.rollout.bidirectional_sampler import BidirectionalSampler
from probekit.rollout.generation_runner import Request, VideoGenerator
from probekit.rollout.streaming_sampler import StreamingSampler
from probekit.suites.registry import load_suite

SUITE = load_suite("sprite-5s").reduced(8, 1)
SIZES = (1, 2, 4, 8)
TOKENS = {"sprite-dmd-baseline": 48, "sprite-base": 336}


def sampler(model: str, size: int) -> VideoGenerator:
    """A sampler with `size` videos in each pass."""
    fixed_batch.LARGEST, fixed_batch.FULL_PASS = size, size * TOKENS[model]
    if model == "sprite-base":
        return BidirectionalSampler(model_folder(model), SUITE)
    return StreamingSampler(model_folder(model), SUITE)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    texts = SUITE.generation_texts()
    requests = [Request(key, texts[key.prompt_id]) for key in SUITE.keys()]
    print(f"{'':22}{'videos':>8}{'tokens':>8}{'s per video':>14}")
    for model, tokens in TOKENS.items():
        for size in SIZES:
            generator, fastest = sampler(model, size), float("inf")
            for _ in range(arguments.rounds):
                started = time.process_time()
                generator.generate(requests)
                fastest = min(fastest, time.process_time() - started)
            print(f"{model:22}{size:8}{size * tokens:8}{fastest / len(requests):14.2f}", flush=True)


if __name__ == "__main__":
    main()
