"""Noise of streams: a function of names, so that any batch, order or number of workers draws the same."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from probekit.run_folder.sample_key import SampleKey
from probekit.seeding import counter_seed, noise

ChunkShape = tuple[int, int, int, int]
"""(C, n, h, w) of one chunk of latents."""


class NoiseSource(Protocol):
    """Standard normal noise of a stream."""

    def __call__(self, chunk: int, step: int) -> Tensor:
        """Noise (B, C, n, h, w): step 0 is what a chunk starts from, step k what it is re-noised with after pass k."""
        ...


class KeyedNoise:
    """The noise of evaluation: one stream for each sample key, shared by every model and batch.

    Args:
        keys: keys of the videos of the batch.
        shape: shape of one chunk.
        run_seed: seed of the whole run.
    """

    def __init__(self, keys: Sequence[SampleKey], shape: ChunkShape, run_seed: int) -> None:
        self._keys = keys
        self._shape = shape
        self._seed = run_seed

    def __call__(self, chunk: int, step: int) -> Tensor:
        """Noise (B, C, n, h, w)."""
        rows = [
            noise(
                self._shape,
                run_seed=self._seed,
                prompt_id=key.prompt_id,
                sample=key.sample,
                chunk=chunk,
                step=step,
            )
            for key in self._keys
        ]
        return torch.from_numpy(np.stack(rows))


def normal_rows(shape: Sequence[int], rows: Sequence[int], *names: str | int) -> Tensor:
    """Standard normal (B, *shape), each row from a generator of its own, drawn on the CPU.

    However a batch is shared between processes and micro-batches, a row gets the same numbers.

    Args:
        shape: shape of one row.
        rows: their numbers in the whole batch.
        names: names of the batch.
    """
    seeds = [counter_seed(*names, row) % 2**63 for row in rows]
    return torch.stack([torch.randn(tuple(shape), generator=torch.Generator().manual_seed(seed)) for seed in seeds])


class SeededNoise:
    """The noise of training: a function of names such as (run seed, training step) and of the row in the batch.

    Args:
        names: names of the batch.
        rows: numbers of the videos in the whole batch.
        shape: shape of one chunk.
    """

    def __init__(self, names: Sequence[str | int], rows: Sequence[int], shape: ChunkShape) -> None:
        self._names = tuple(names)
        self._rows = rows
        self._shape = shape

    def __call__(self, chunk: int, step: int) -> Tensor:
        """Noise (B, C, n, h, w)."""
        return normal_rows(self._shape, self._rows, *self._names, chunk, step)


class GeneratorNoise:
    """Noise from one torch generator, as diffusers' pipelines draw it: in the order in which it is asked for.

    Args:
        batch: videos.
        shape: shape of one chunk.
        generator: CPU generator; None takes torch's global one.
    """

    def __init__(self, batch: int, shape: ChunkShape, generator: torch.Generator | None) -> None:
        self._size = (batch, *shape)
        self._generator = generator
        self._first: Tensor | None = None

    def __call__(self, chunk: int, step: int) -> Tensor:
        """Noise (B, C, n, h, w); the first chunk's first noise is drawn once, however often it is asked for."""
        if (chunk, step) == (0, 0):
            self._first = torch.randn(self._size, generator=self._generator) if self._first is None else self._first
            return self._first
        return torch.randn(self._size, generator=self._generator)
