"""Sampling of suites with a causal generator: the streaming rollout, keyed noise, the 30 s context policy."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from probekit.context_policy import TRAINED_WINDOW, ContextPolicy
from probekit.diffusion.few_step import euler_sigmas, few_step_sigmas, warp
from probekit.evaluation.generation_runner import Request
from probekit.evaluation.protocol_card import GenerationCard
from probekit.evaluation.suites import Suite
from probekit.models.causal_card import CausalCard, read_causal_card
from probekit.models.causal_wan import CausalWan
from probekit.models.loading import ModelParts, load_model
from probekit.models.text_context import TextContext
from probekit.models.video_codec import to_uint8_frames
from probekit.rollout.chunk_denoisers import ChunkDenoiser, EulerDenoiser, FewStepDenoiser
from probekit.rollout.noise import ChunkShape, KeyedNoise, NoiseSource
from probekit.rollout.records import RolloutObserver
from probekit.rollout.streaming_rollout import Rollout, roll_out


def causal_from(parts: ModelParts) -> CausalWan:
    """The causal generator with the weights of an opened model folder, for inference."""
    model = CausalWan(**dict(parts.transformer.config))
    model.load_state_dict(parts.transformer.state_dict())
    frozen: CausalWan = model.eval().requires_grad_(False)
    return frozen


def denoiser_of(card: CausalCard) -> ChunkDenoiser:
    """The sampler that a generator was trained for."""
    if card.few_steps is not None:
        return FewStepDenoiser(few_step_sigmas(card.few_steps, card.shift))
    return EulerDenoiser(euler_sigmas(card.euler_steps or 1, card.shift))


class StreamingSampler:
    """Samples suites with a causal model folder; implements `VideoGenerator`.

    Args:
        folder: model folder with `causal.json`.
        suite: whose frame size and length are sampled.
        seed: run seed of the noise.
        policy: what the stream remembers.
        negative_prompt: what guidance steers away from, where the generator uses guidance.

    Raises:
        UserError: if the folder is not a causal generator's, or the suite's length is not whole chunks.
    """

    def __init__(
        self,
        folder: Path,
        suite: Suite,
        seed: int = 0,
        policy: ContextPolicy = TRAINED_WINDOW,
        negative_prompt: str = "",
    ) -> None:
        self.causal = read_causal_card(folder)
        self.parts = load_model(folder)
        geometry = self.parts.geometry(suite.height, suite.width)
        self.geometry = geometry.model_copy(update={"chunk_frames": self.causal.chunk_frames})
        self.chunks = self.geometry.chunks(self.geometry.latent_frames(suite.frames))
        self.model = causal_from(self.parts)
        policy.check_length(self.chunks * self.causal.chunk_frames, self.model.config.rope_max_seq_len)
        self._policy, self._seed, self._negative_prompt = policy, seed, negative_prompt
        self.card = self._generation_card(suite)

    def _generation_card(self, suite: Suite) -> GenerationCard:
        causal = self.causal
        return GenerationCard(
            model=self.parts.name,
            checkpoint_hash=self.parts.checkpoint_hash,
            ema=self.parts.ema,
            seed=self._seed,
            frames=suite.frames,
            fps=suite.fps,
            height=suite.height,
            width=suite.width,
            sampler=f"streaming {causal.role}",
            steps=causal.euler_steps or len(causal.few_steps or ()),
            timesteps=tuple(1000 * warp(step / 1000, causal.shift) for step in causal.few_steps or ()) or None,
            guidance=causal.guidance,
            shift=causal.shift,
            codec=self.parts.codec_name,
            chunk_frames=causal.chunk_frames,
            window_policy=self._policy.window_name,
            rope_policy=self._policy.rotary,
            negative_prompt=self._negative_prompt if causal.guidance > 1 else None,
        )

    def chunk_shape(self) -> ChunkShape:
        """(C, n, h, w) of one chunk."""
        geometry = self.geometry
        return (geometry.latent_channels, geometry.chunk_frames, geometry.latent_height, geometry.latent_width)

    def text(self, prompts: Sequence[str]) -> TextContext:
        """The prompts, and under guidance the negative prompts after them."""
        negative = [self._negative_prompt] * len(prompts) if self.causal.guidance > 1 else []
        return TextContext(self.parts.text.encode([*prompts, *negative]))

    @torch.no_grad()
    def rollout(
        self,
        requests: Sequence[Request],
        observers: Sequence[RolloutObserver] = (),
        noise: NoiseSource | None = None,
    ) -> Tensor:
        """Clean latents (B, C, L, h, w) of the requested videos; by default with the noise of their keys."""
        results = Rollout(
            self.model,
            self.text([request.prompt for request in requests]),
            noise or KeyedNoise([request.key for request in requests], self.chunk_shape(), self._seed),
            denoiser_of(self.causal),
            chunks=self.chunks,
            policy=self._policy,
            guidance=self.causal.guidance,
            observers=observers,
        )
        return roll_out(results)

    @torch.no_grad()
    def generate(self, requests: list[Request]) -> NDArray[Any]:
        """Make videos (B, T, H, W, 3) uint8; each depends on its own key and prompt alone."""
        return to_uint8_frames(self.parts.codec.decode(self.rollout(requests))).numpy()
