"""Continuations of one state: the same past, another noise for what comes after."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probekit.errors import UserError
from probekit.probing.capturing import frames_of_latents
from probekit.rollout.fixed_batch import blocks, filled
from probekit.rollout.generation_runner import Request
from probekit.rollout.noise import KeyedNoise, NoiseSource
from probekit.rollout.streaming_sampler import StreamingSampler


class BranchedNoise:
    """One noise up to and including a chunk, another after it, and the first again from some chunk on.

    Args:
        shared: noise of chunks 0 … last_shared.
        branch: noise of the later ones.
        last_shared: the chunk whose state the futures share.
        rejoined: first chunk after the branch that has the shared noise again; None is none.
    """

    def __init__(self, shared: NoiseSource, branch: NoiseSource, last_shared: int, rejoined: int | None = None) -> None:
        self._shared = shared
        self._branch = branch
        self._last = last_shared
        self._rejoined = rejoined

    def __call__(self, chunk: int, step: int) -> Tensor:
        """Noise (B, C, n, h, w)."""
        is_shared = chunk <= self._last or (self._rejoined is not None and chunk >= self._rejoined)
        return (self._shared if is_shared else self._branch)(chunk, step)


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


class RowNoise:
    """A batch whose rows draw from sources of their own, each of one row."""

    def __init__(self, rows: Sequence[NoiseSource]) -> None:
        self._rows = rows

    def __call__(self, chunk: int, step: int) -> Tensor:
        """Noise (B, C, n, h, w)."""
        return torch.cat([row(chunk, step) for row in self._rows])


@torch.no_grad()
def forked_videos(
    sampler: StreamingSampler, request: Request, chunk: int, ahead: int, count: int, seed: int = 0
) -> NDArray[np.uint8]:
    """Videos (F, T, H, W, 3) uint8 that go on from one state: the past is rolled out once, and only what is asked for.

    Args:
        sampler: streaming generator.
        request: prompt and key, whose noise makes the shared past.
        chunk: zero-based, the last shared one.
        ahead: chunks after it.
        count: continuations; the first has the noise of the key itself.
        seed: run seed of the shared noise; continuation i > 0 draws from run seed `seed` + i.

    Raises:
        UserError: if the video ends before.
    """
    _check_future(sampler, chunk, ahead)
    requests = filled([request], sampler.batch_size)
    keys = [request.key] * sampler.batch_size
    rollout = sampler.start(requests, noise=KeyedNoise(keys, sampler.chunk_shape(), seed))
    past = torch.cat([next(rollout).latents for _ in range(chunk + 1)], dim=2)
    fork = rollout.snapshot()
    found = []
    for block in blocks(range(count), sampler.batch_size):
        rows = filled(block, sampler.batch_size)
        branch = RowNoise([KeyedNoise([request.key], sampler.chunk_shape(), seed + index) for index in rows])
        rollout.rewind(fork, branch)
        later = torch.cat([next(rollout).latents for _ in range(ahead)], dim=2)
        shared = past[:1].expand(len(later), -1, -1, -1, -1)
        found.append(sampler.decoded(sampler.parts.codec.decode, torch.cat([shared, later], dim=2))[: len(block)])
    return np.concatenate(found)


def _check_future(sampler: StreamingSampler, chunk: int, ahead: int) -> None:
    if chunk + ahead >= sampler.chunks:
        raise UserError(
            f"Chunk {chunk} of {sampler.chunks} has no future {ahead} chunks ahead.",
            f"Use a chunk up to {sampler.chunks - 1 - ahead}.",
        )


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
    _check_future(sampler, chunk, max(horizons))
    keys = [request.key] * sampler.batch_size
    shared = KeyedNoise(keys, sampler.chunk_shape(), seed)
    branches = [KeyedNoise(keys, sampler.chunk_shape(), seed + index) for index in range(count)]
    rolled = [sampler.rollout([request], noise=BranchedNoise(shared, branch, chunk)) for branch in branches]
    frames = np.stack([frames_of_latents(sampler, video)[0, :, -1] for video in rolled])
    ahead = [chunk + horizon for horizon in horizons]
    return Futures(frames[0, chunk], frames[:, ahead], tuple(horizons))
