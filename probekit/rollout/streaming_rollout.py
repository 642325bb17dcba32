"""The rollout: chunk after chunk from a causal generator; sampling, training and probing drive this one function."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from probekit.context_policy import FULL_CONTEXT, ContextPolicy
from probekit.diffusion.flow_matching import TIMESTEPS, classifier_free_guidance
from probekit.models.causal_attention import StreamingAttention
from probekit.models.causal_wan import CausalWan, capture_blocks
from probekit.models.text_context import TextContext
from probekit.rollout.chunk_denoisers import ChunkDenoiser
from probekit.rollout.noise import NoiseSource


class ChunkResult(NamedTuple):
    """A finished chunk: its number, its first latent frame and its clean latents (B, C, n, h, w)."""

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


class _ChunkPass:
    """The passes of one chunk."""

    def __init__(
        self,
        model: CausalWan,
        text: TextContext,
        attention: StreamingAttention,
        place: tuple[int, int],
        guidance: float,
        observers: Sequence[RolloutObserver],
    ) -> None:
        self._model, self._text, self._attention, self._place = model, text, attention, place
        self._guidance, self._observers = guidance, observers
        self._layers = sorted({layer for observer in observers for layer in observer.layers})

    def predict(self, latents: Tensor, sigma: float, step: int | None) -> Tensor:
        """Flow of the chunk at one noise level."""
        guided = self._guidance > 1
        doubled = torch.cat([latents, latents]) if guided else latents
        timestep = torch.full((len(doubled), 1), sigma * TIMESTEPS, device=latents.device)
        with capture_blocks(self._model, self._layers) as hidden:
            flow: Tensor = self._model(doubled.to(self._model.dtype), timestep, self._text, self._attention)
        flow = flow.to(latents.dtype)
        if guided:
            conditional, unconditional = flow.chunk(2)
            flow = classifier_free_guidance(conditional, unconditional, self._guidance)
        for observer in self._observers:
            observer.on_pass(PassRecord(*self._place, step, sigma, latents, flow, hidden))
        return flow

    @torch.no_grad()
    def commit(self, clean: Tensor) -> None:
        """Write the clean latents' keys and values, at timestep 0 and without noise."""
        self._attention.committing = True
        self.predict(clean, 0.0, None)


def stream(
    model: CausalWan,
    text: TextContext,
    noise: NoiseSource,
    denoiser: ChunkDenoiser,
    *,
    chunks: int,
    policy: ContextPolicy = FULL_CONTEXT,
    guidance: float = 1.0,
    observers: Sequence[RolloutObserver] = (),
    forced: Tensor | None = None,
    commit_last: bool = False,
    commit_noise: CommitNoise | None = None,
) -> Iterator[ChunkResult]:
    """Generate a video chunk by chunk; each chunk is yielded before the next one begins.

    A chunk sees committed clean chunks and itself. Committed keys and values are detached, so a chunk's gradient
    never reaches an earlier one (method.md: the official code's stale-key gradient is documented, not rebuilt).

    Args:
        model: causal generator.
        text: the B prompts; under guidance 2B, the prompts first and the negative prompts after them.
        noise: of every chunk and step.
        denoiser: few-step or Euler; it decides which step runs with gradient and which one is last.
        chunks: how many.
        policy: what the cache keeps and at which positions.
        guidance: scale of classifier-free guidance; 1 is none.
        observers: see every pass.
        forced: latents (B, C, L, h, w) that are committed in place of the generated ones (teacher forcing).
        commit_last: also commit the last chunk, which no later chunk of this call reads.
        commit_noise: of the official training code; None commits clean latents, as inference does.

    Yields:
        One `ChunkResult` a chunk.

    Raises:
        UserError: if the video is longer than the rotary table under this policy.
    """
    example = noise(0, 0)
    size = example.shape[2]
    policy.check_length(chunks * size, model.config.rope_max_seq_len)
    cache = model.new_cache(policy, example)
    for index in range(chunks):
        place = (index, cache.next_frame)
        passes = _ChunkPass(model, text, model.streaming(cache, example), place, guidance, observers)
        clean = denoiser.denoise(passes.predict, functools.partial(noise, index))
        yield ChunkResult(*place, clean)
        if index + 1 < chunks or commit_last:
            kept = clean if forced is None else forced[:, :, place[1] : place[1] + size]
            if commit_noise is not None:
                kept = (1 - commit_noise.sigma) * kept + commit_noise.sigma * commit_noise.draw(index)
            passes.commit(kept.detach())
            cache.close_chunk(size)


def roll_out(results: Iterator[ChunkResult]) -> Tensor:
    """All chunks of a stream as one video of latents (B, C, L, h, w)."""
    return torch.cat([result.latents for result in results], dim=2)
