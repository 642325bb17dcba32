"""Random numbers as a function of names, so that no result depends on the order or the number of workers."""

import hashlib
import json
import operator

import numpy as np
from numpy.typing import NDArray


def counter_seed(*names: str | int) -> int:
    """Map names to a 64-bit seed: the first 8 bytes of the SHA-256 of their JSON list.

    JSON keeps the parts apart and tells 1 from "1", so different names never share an encoding.
    """
    encoded = json.dumps([name if isinstance(name, str) else operator.index(name) for name in names])
    return int.from_bytes(hashlib.sha256(encoded.encode()).digest()[:8], "big")


def generator(*names: str | int) -> np.random.Generator:
    """Return the random generator that belongs to ``names`` (Philox, keyed by `counter_seed`)."""
    return np.random.Generator(np.random.Philox(key=counter_seed(*names)))


def noise(
    shape: tuple[int, ...], *, run_seed: int, prompt_id: str, sample: int, chunk: int, step: int
) -> NDArray[np.float32]:
    """Return the standard normal noise of one denoising step of one chunk of one video, drawn on the CPU.

    A function of its arguments alone: the same for any number of workers, any order, and for both models of a pair.

    Args:
        shape: Shape of the latent chunk.
        run_seed: Seed of the whole run.
        prompt_id: Identifier of the prompt in its suite.
        sample: Index of the video among those of the prompt.
        chunk: Index of the chunk in the video.
        step: Index of the denoising step in the chunk.
    """
    source = generator("noise", run_seed, prompt_id, sample, chunk, step)
    return source.standard_normal(shape, dtype=np.float32)
