"""Sampling of suites with a causal generator: the streaming rollout, keyed noise, the 30 s context policy."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probekit.diffusion.few_step import euler_sigmas, few_step_sigmas
from probekit.diffusion.flow_matching import TIMESTEPS
from probekit.errors import UserError
from probekit.geometry import LatentGeometry
from probekit.models.causal_card import CausalCard, read_causal_card
from probekit.models.causal_wan import CausalWan
from probekit.models.compiled_blocks import compile_blocks
from probekit.models.context_policy import ContextPolicy
from probekit.models.loading import ModelParts, PromptEncoder, data_type, in_precision, load_model
from probekit.models.model_geometry import geometry_of
from probekit.models.text_context import TextContext
from probekit.models.transformer_folder import transformer_config
from probekit.models.video_codec import to_uint8_frames
from probekit.rollout.chunk_denoisers import ChunkDenoiser, EulerDenoiser, FewStepDenoiser
from probekit.rollout.fixed_batch import blocks, filled, fixed_batch_size
from probekit.rollout.generation_runner import Request
from probekit.rollout.noise import ChunkShape, KeyedNoise, NoiseSource
from probekit.rollout.records import RolloutObserver
from probekit.rollout.sampling_config import SOLVER_FIELDS, SamplingConfig
from probekit.rollout.streaming_rollout import Rollout, roll_out
from probekit.run_folder.protocol_card import GenerationCard
from probekit.suites.suite import Suite


def causal_from(parts: ModelParts, dtype: torch.dtype = torch.float32) -> CausalWan:
    """The causal generator with the weights of an opened model folder, for inference.

    In half precision the modules that diffusers keeps in fp32 (norms, modulation tables, time embedding) stay so.
    """
    model = CausalWan(**dict(parts.transformer.config))
    model.load_state_dict(parts.transformer.state_dict())
    frozen: CausalWan = in_precision(model.eval().requires_grad_(False), dtype)
    return frozen


def denoiser_of(card: CausalCard) -> ChunkDenoiser:
    """The sampler that a generator was trained for."""
    if card.few_steps is not None:
        return FewStepDenoiser(few_step_sigmas(card.few_steps, card.shift))
    return EulerDenoiser(euler_sigmas(card.euler_steps or 1, card.shift))


def card_with(card: CausalCard, config: SamplingConfig) -> CausalCard:
    """A generator's card with the list of steps that a configuration asks for.

    Raises:
        UserError: if a list is asked of a generator that is no few-step student, or what comes with the weights.
    """
    config.refuse(SOLVER_FIELDS, "A streaming generator")
    asked = config.few_steps or config.first_chunk_steps
    if asked and card.few_steps is None:
        raise UserError(f"An {card.role} has no few-step list to replace.", "Leave the steps out, or give a student.")
    return card.model_copy(update={"few_steps": config.few_steps}) if config.few_steps else card


def planned_geometry(folder: Path, suite: Suite, policy: ContextPolicy) -> LatentGeometry:
    """Geometry of a suite's videos by a causal generator, before any weight is read.

    Raises:
        UserError: if a frame is not whole tokens, or a length is not whole chunks or leaves the rotary table.
    """
    config = transformer_config(folder)
    geometry = geometry_of(folder, suite.height, suite.width)
    latent_frames = geometry.latent_frames(suite.frames)
    geometry.chunks(latent_frames)
    policy.check_length(latent_frames, config["rope_max_seq_len"])
    return geometry


def _timesteps(steps: Sequence[int] | None, shift: float) -> tuple[float, ...] | None:
    return tuple(TIMESTEPS * sigma for sigma in few_step_sigmas(steps, shift)) if steps else None


class StreamingSampler:
    """Samples suites with a causal model folder; implements `VideoGenerator`.

    Args:
        folder: model folder with `causal.json`.
        suite: suite whose frame size and length are sampled.
        config: how it is sampled; None is the default.
        text: embeds the prompts in place of the folder's own encoder.

    Attributes:
        batch_size: videos in each pass.

    Raises:
        UserError: if the folder is not a causal generator's, the configuration sets what its weights fix, or the
            suite's length is not whole chunks or leaves the rotary table; nothing has been loaded then.
    """

    def __init__(
        self,
        folder: Path,
        suite: Suite,
        config: SamplingConfig | None = None,
        text: PromptEncoder | None = None,
    ) -> None:
        self.config = config or SamplingConfig()
        self.causal = card_with(read_causal_card(folder), self.config)
        self.policy = self.config.stream_policy
        self.negative_prompt = self.config.negative_prompt or ""
        self.geometry = planned_geometry(folder, suite, self.policy)
        self.parts = load_model(folder, text)
        self.chunks = self.geometry.chunks(self.geometry.latent_frames(suite.frames))
        self.batch_size = fixed_batch_size(self.geometry.tokens(self.causal.chunk_frames))
        self.model = causal_from(self.parts, data_type(self.config.precision)).to(self.config.device)
        self.parts = self.parts.to(self.config.device)
        self._compiled = self.config.compile and compile_blocks(self.model)
        self.card = self._generation_card(suite)

    def _generation_card(self, suite: Suite) -> GenerationCard:
        causal = self.causal
        return GenerationCard(
            model=self.parts.name,
            checkpoint_hash=self.parts.checkpoint_hash,
            ema=self.parts.ema,
            seed=self.config.seed,
            frames=suite.frames,
            fps=suite.fps,
            height=suite.height,
            width=suite.width,
            sampler=f"streaming {causal.role}",
            steps=causal.euler_steps or len(causal.few_steps or ()),
            timesteps=_timesteps(causal.few_steps, causal.shift),
            first_chunk_timesteps=_timesteps(self.config.first_chunk_steps, causal.shift),
            guidance=causal.guidance,
            shift=causal.shift,
            codec=self.parts.codec_name,
            precision=self.config.card_precision,
            compile=True if self._compiled else None,
            batch_size=self.batch_size,
            chunk_frames=causal.chunk_frames,
            window_policy=self.policy.window_name,
            rope_policy=self.policy.rotary,
            negative_prompt=self.negative_prompt if causal.guidance > 1 else None,
        )

    def chunk_shape(self) -> ChunkShape:
        """(C, n, h, w) of one chunk."""
        geometry = self.geometry
        return (geometry.latent_channels, geometry.chunk_frames, geometry.latent_height, geometry.latent_width)

    def text(self, prompts: Sequence[str]) -> TextContext:
        """The prompts, and under guidance the negative prompts after them.

        The padding of several prompts is not merged, else the longest one would count for the others.
        """
        negative = [self.negative_prompt] * len(prompts) if self.causal.guidance > 1 else []
        embeddings = self.parts.text.encode([*prompts, *negative])
        return TextContext(embeddings.to(self.model.device, self.model.dtype), merge=len(prompts) == 1)

    def start(
        self,
        requests: Sequence[Request],
        observers: Sequence[RolloutObserver] = (),
        noise: NoiseSource | None = None,
    ) -> Rollout:
        """The rollout of the requested videos, not yet run; by default with the noise of their keys."""
        first = self.config.first_chunk_steps
        return Rollout(
            self.model,
            self.text([request.prompt for request in requests]),
            noise or KeyedNoise([request.key for request in requests], self.chunk_shape(), self.config.seed),
            denoiser_of(self.causal),
            chunks=self.chunks,
            policy=self.policy,
            guidance=self.causal.guidance,
            observers=observers,
            first_denoiser=FewStepDenoiser(few_step_sigmas(first, self.causal.shift)) if first else None,
        )

    @torch.no_grad()
    def rollout(
        self,
        requests: Sequence[Request],
        observers: Sequence[RolloutObserver] = (),
        noise: NoiseSource | None = None,
    ) -> Tensor:
        """Clean latents (`batch_size`, C, L, h, w) of up to `batch_size` videos and what fills them up, on the CPU.

        Observers and a given noise have `batch_size` rows too.
        """
        return roll_out(self.start(filled(requests, self.batch_size), observers, noise)).cpu()

    def generate(self, requests: list[Request]) -> NDArray[Any]:
        """Make videos (B, T, H, W, 3) uint8, `batch_size` in each pass; each depends on its own request alone."""
        return np.concatenate([self._block(block) for block in blocks(requests, self.batch_size)])

    @torch.no_grad()
    def _block(self, block: Sequence[Request]) -> NDArray[Any]:
        return self.decoded(self.parts.codec.decode, self.rollout(block))[: len(block)]

    @torch.no_grad()
    def stream(self, request: Request) -> Iterator[NDArray[Any]]:
        """Make one video and yield frames (1, T, H, W, 3) uint8 as their chunk is decoded."""
        decoder = self.parts.codec.streaming_decoder()
        for result in self.start([request]):
            yield self.decoded(decoder.push, result.latents)

    def decoded(self, decode: Callable[[Tensor], Tensor], latents: Tensor) -> NDArray[Any]:
        """Frames of latents, decoded in fp32 where the model is."""
        frames: NDArray[Any] = to_uint8_frames(decode(latents.float().to(self.model.device))).cpu().numpy()
        return frames
