"""What a rollout yields and what its observers see."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from torch import Tensor


class ChunkResult(NamedTuple):
    """A finished chunk: its number, its first latent frame and its clean latents (B, C, n, h, w).

    Latents that the caller gave as the start of the video come as chunk -1.
    """

    chunk: int
    first_frame: int
    latents: Tensor


class PassRecord(NamedTuple):
    """One pass of the model, as observers see it.

    Attributes:
        chunk: index of the chunk.
        first_frame: its first latent frame.
        step: zero-based denoising step; None is the pass that commits the chunk's clean latents to the cache.
        sigma: noise level of the input; 0 in the committing pass.
        latents: input (B, C, n, h, w).
        flow: guided output of the same shape.
        hidden: outputs (B, T, W) of the blocks that an observer asked for; (2B, T, W) under guidance, prompts first.
    """

    chunk: int
    first_frame: int
    step: int | None
    sigma: float
    latents: Tensor
    flow: Tensor
    hidden: Mapping[int, Tensor]


class CommitNoise(NamedTuple):
    """Noise added to a chunk before its keys and values are committed, still at timestep 0 (official training only).

    Attributes:
        sigma: its level.
        draw: noise (B, C, n, h, w) of a chunk.
    """

    sigma: float
    draw: Callable[[int], Tensor]


class RolloutObserver(Protocol):
    """Watches passes; it changes nothing.

    Attributes:
        layers: zero-based blocks whose outputs it wants to see.
    """

    layers: Sequence[int]

    def on_pass(self, record: PassRecord) -> None:
        """See one pass."""
        ...
