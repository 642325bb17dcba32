"""The rollout: chunk after chunk from a causal generator; sampling, training and probing drive this one object."""

import copy
import functools
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from probekit.diffusion.flow_matching import TIMESTEPS, guided_batch, guided_prediction, interpolate
from probekit.models.causal_attention import StreamingAttention
from probekit.models.causal_wan import CausalWan, capture_blocks
from probekit.models.context_policy import FULL_CONTEXT, ContextPolicy
from probekit.models.kv_cache import CacheSnapshot
from probekit.models.text_context import TextContext
from probekit.rollout.chunk_denoisers import ChunkDenoiser
from probekit.rollout.noise import NoiseSource
from probekit.rollout.prompt_schedule import PromptSchedule
from probekit.rollout.records import ChunkResult, CommitNoise, PassRecord, RolloutObserver


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
        whole_commit: bool,
    ) -> None:
        self._model = model
        self._text = text
        self._attention = attention
        self._whole_commit = whole_commit
        self.chunk, self.first_frame = place
        self._guidance = guidance
        self._observers = observers
        self._layers = sorted({layer for observer in observers for layer in observer.layers})

    def predict(self, latents: Tensor, sigma: float, step: int | None) -> Tensor:
        """Flow of the chunk at one noise level."""
        with capture_blocks(self._model, self._layers) as hidden:
            flow = guided_prediction(functools.partial(self._flow, sigma), latents, self._guidance)
        for observer in self._observers:
            observer.on_pass(PassRecord(self.chunk, self.first_frame, step, sigma, latents, flow, hidden))
        return flow

    def _flow(self, sigma: float, latents: Tensor) -> Tensor:
        timestep = torch.full((len(latents), 1), sigma * TIMESTEPS, device=latents.device)
        flow: Tensor = self._model(latents.to(self._model.dtype), timestep, self._text, self._attention)
        return flow.to(latents.dtype)

    @torch.no_grad()
    def commit(self, clean: Tensor) -> None:
        """Write the clean latents' keys and values, at timestep 0 and without noise."""
        self._attention.committing = True
        if self._observers or self._whole_commit:
            self.predict(clean, 0.0, None)
            return
        doubled = guided_batch(clean, self._guidance)
        timestep = torch.zeros(len(doubled), 1, device=clean.device)
        self._model.write_keys(doubled.to(self._model.dtype), timestep, self._text, self._attention)


class RolloutSnapshot(NamedTuple):
    """A rollout between two chunks: what the cache holds and which chunk comes next."""

    cache: CacheSnapshot
    next_chunk: int


class Rollout:
    """Generates a video chunk by chunk; each chunk is yielded before the next one begins.

    A chunk sees committed clean chunks and itself. Committed keys and values are detached, so a chunk's gradient
    never reaches an earlier one (method.md: the official code's stale-key gradient is documented, not rebuilt).
    A finished chunk is committed when the next one is asked for, so the last chunk of a video costs no extra pass.

    Args:
        model: causal generator.
        text: the B prompts; under guidance 2B, the prompts first and the negative prompts after them.
        noise: noise of every chunk and step.
        denoiser: few-step or Euler; it decides which step runs with gradient and which one is last.
        chunks: how many to generate.
        policy: what the cache keeps and at which positions.
        guidance: scale of classifier-free guidance; 1 is none.
        observers: see every pass.
        forced: latents (B, C, L, h, w) that are committed in place of the generated ones (teacher forcing).
        commit_noise: noise of committed chunks in the official training code; None commits clean latents, as inference
            does.
        start: given first latents (B, C, F, h, w) of the video (image to video); they come first, as chunk -1.
        first_denoiser: denoiser of the first generated chunk, where its list of steps differs.
        whole_commit: commit by a whole forward pass; the shorter way reads a block's weights outside the block's own
            forward pass, where a sharded model has none.

    Raises:
        UserError: if the video is longer than the rotary table under this policy.
    """

    def __init__(
        self,
        model: CausalWan,
        text: TextContext | PromptSchedule,
        noise: NoiseSource,
        denoiser: ChunkDenoiser,
        *,
        chunks: int,
        policy: ContextPolicy = FULL_CONTEXT,
        guidance: float = 1.0,
        observers: Sequence[RolloutObserver] = (),
        forced: Tensor | None = None,
        commit_noise: CommitNoise | None = None,
        start: Tensor | None = None,
        first_denoiser: ChunkDenoiser | None = None,
        whole_commit: bool = False,
    ) -> None:
        self._whole_commit = whole_commit
        self._model = model
        self._noise = noise
        self._denoiser = denoiser
        self._device = model.device
        self._texts = _schedule(text)
        self._guidance = guidance
        self._observers = tuple(observers)
        self._forced = forced
        self._commit_noise = commit_noise
        self._first_denoiser = first_denoiser
        self._example = self._draw(0, 0)
        self._size = self._example.shape[2]
        given = 0 if start is None else start.shape[2]
        policy.check_length(given + chunks * self._size, model.config.rope_max_seq_len)
        self._cache = model.new_cache(policy, self._example)
        self._chunks = chunks
        self._next = 0
        self._open: tuple[_ChunkPass, Tensor] | None = None
        self._start = start

    def __iter__(self) -> Iterator[ChunkResult]:
        return self

    def __next__(self) -> ChunkResult:
        """Generate the next chunk; before it, commit the one before."""
        if self._start is not None:
            given, self._start = self._start, None
            self._commit_start(given)
            return ChunkResult(-1, 0, given)
        if self._next >= self._chunks:
            raise StopIteration
        self.commit()
        index, passes = self._next, self._passes(self._next, self._example)
        chosen = self._first_denoiser if index == 0 and self._first_denoiser else self._denoiser
        clean = chosen.denoise(passes.predict, functools.partial(self._draw, index))
        self._open = (passes, clean)
        self._next = index + 1
        return ChunkResult(index, passes.first_frame, clean)

    def commit(self) -> None:
        """Write the finished chunk into the cache, unless that has been done."""
        if self._open is None:
            return
        (passes, clean), self._open = self._open, None
        index, first = passes.chunk, passes.first_frame
        kept = clean if self._forced is None else self._forced[:, :, first : first + self._size]
        if self._commit_noise is not None:
            kept = interpolate(kept, self._commit_noise.draw(index), self._commit_noise.sigma)
        passes.commit(kept.detach())
        self._cache.close_chunk(self._size)

    def snapshot(self) -> RolloutSnapshot:
        """The rollout after the chunk last yielded; costs that chunk's commit and no copy."""
        self.commit()
        return RolloutSnapshot(self._cache.snapshot(), self._next)

    def fork(
        self,
        snapshot: RolloutSnapshot,
        noise: NoiseSource,
        *,
        text: TextContext | PromptSchedule | None = None,
        observers: Sequence[RolloutObserver] | None = None,
    ) -> "Rollout":
        """Another rollout that goes on from a snapshot of this one under other noise; the past is shared.

        Args:
            snapshot: a snapshot of this rollout.
            noise: noise of what comes.
            text: prompt of what comes; None is this rollout's own.
            observers: what watches the fork in place of what watches this one.
        """
        branch = copy.copy(self)
        branch._cache = self._cache.twin()
        if text is not None:
            branch._texts = _schedule(text)
        if observers is not None:
            branch._observers = tuple(observers)
        return branch.rewind(snapshot, noise)

    def rewind(self, snapshot: RolloutSnapshot, noise: NoiseSource | None = None) -> "Rollout":
        """Go back to a snapshot of this rollout, and on under other noise if given; returns this rollout."""
        self._open = None
        self._start = None
        self._next = snapshot.next_chunk
        self._cache.restore(snapshot.cache)
        self._noise = noise or self._noise
        return self

    def _draw(self, chunk: int, step: int) -> Tensor:
        return self._noise(chunk, step).to(self._device)

    def _commit_start(self, given: Tensor) -> None:
        """Commit given latents chunk by chunk, block-causally; frames that fill no chunk come first, together."""
        rest = given.shape[2] % self._size
        for part in filter(lambda part: part.shape[2], [given[:, :, :rest], *given[:, :, rest:].split(self._size, 2)]):
            self._passes(-1, part).commit(part.detach())
            self._cache.close_chunk(part.shape[2])

    def _passes(self, chunk: int, latents: Tensor) -> _ChunkPass:
        place = (chunk, self._cache.next_frame)
        attention = self._model.streaming(self._cache, latents)
        text = self._texts.at(chunk)
        return _ChunkPass(self._model, text, attention, place, self._guidance, self._observers, self._whole_commit)


def _schedule(text: TextContext | PromptSchedule) -> PromptSchedule:
    return PromptSchedule({0: text}) if isinstance(text, TextContext) else text


def roll_out(results: Iterable[ChunkResult]) -> Tensor:
    """All chunks of a rollout as one video of latents (B, C, L, h, w)."""
    return torch.cat([result.latents for result in results], dim=2)
