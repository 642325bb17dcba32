"""Continuations of one state: the same past, another noise for what comes after."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from probekit.errors import UserError
from probekit.probing.capturing import frames_of_latents
from probekit.rollout.generation_runner import Request
from probekit.rollout.noise import KeyedNoise, NoiseSource
from probekit.rollout.streaming_sampler import StreamingSampler


class BranchedNoise:
    """One noise up to and including a chunk, another after it.

    Args:
        shared: noise of chunks 0 … last_shared.
        branch: noise of the later ones.
        last_shared: the chunk whose state the futures share.
    """

    def __init__(self, shared: NoiseSource, branch: NoiseSource, last_shared: int) -> None:
        self._shared = shared
        self._branch = branch
        self._last = last_shared

    def __call__(self, chunk: int, step: int) -> Tensor:
        """Noise (B, C, n, h, w)."""
        return (self._shared if chunk <= self._last else self._branch)(chunk, step)


class Futures(NamedTuple):
    """Continuations of one state.

    Attributes:
        current: (H, W, 3) uint8, the last frame of the shared past.
        continuations: (F, K, H, W, 3) uint8, of F noise seeds at K horizons.
        horizons: horizons in chunks.
    """

    current: NDArray[np.uint8]
    continuations: NDArray[np.uint8]
    horizons: tuple[int, ...]

    def mean(self) -> NDArray[np.uint8]:
        """Mean frame of the continuations at each horizon, (K, H, W, 3) uint8."""
        mean: NDArray[np.uint8] = np.round(self.continuations.astype(np.float64).mean(axis=0)).astype(np.uint8)
        return mean


def continue_state(
    sampler: StreamingSampler, request: Request, chunk: int, horizons: Sequence[int], count: int = 4, seed: int = 0
) -> Futures:
    """Roll one video out several times; up to `chunk` all are equal bit by bit.

    Args:
        sampler: streaming generator.
        request: prompt and key, whose noise makes the shared past.
        chunk: zero-based, the last shared one.
        horizons: chunks ahead to show.
        count: continuations; the first is the video that the key itself gives.
        seed: run seed of the shared noise; continuation i > 0 draws from run seed `seed` + i.

    Raises:
        UserError: if a horizon lies beyond the video.
    """
    if chunk + max(horizons) >= sampler.chunks:
        raise UserError(
            f"Chunk {chunk} of {sampler.chunks} has no future {max(horizons)} chunks ahead.",
            f"Use a chunk up to {sampler.chunks - 1 - max(horizons)}.",
        )
    keys = [request.key] * sampler.batch_size
    shared = KeyedNoise(keys, sampler.chunk_shape(), seed)
    branches = [KeyedNoise(keys, sampler.chunk_shape(), seed + index) for index in range(count)]
    rolled = [sampler.rollout([request], noise=BranchedNoise(shared, branch, chunk)) for branch in branches]
    frames = np.stack([frames_of_latents(sampler, video)[0, :, -1] for video in rolled])
    ahead = [chunk + horizon for horizon in horizons]
    return Futures(frames[0, chunk], frames[:, ahead], tuple(horizons))
