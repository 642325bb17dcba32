"""Sampling of whole clips: the flow-matching ODE with classifier-free guidance."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import SchedulerMixin, WanTransformer3DModel
from numpy.typing import NDArray
from torch import Tensor

from probekit.diffusion.flow_matching import guided_batch, guided_prediction
from probekit.models.loading import ModelParts, data_type, in_precision, load_model
from probekit.models.video_codec import to_uint8_frames
from probekit.rollout.fixed_batch import blocks, filled, fixed_batch_size
from probekit.rollout.generation_runner import Request
from probekit.rollout.initial_noise import initial_noise
from probekit.rollout.sampling_config import CLIP_GUIDANCE, CLIP_SHIFT, CLIP_STEPS, STREAM_FIELDS, SamplingConfig
from probekit.run_folder.protocol_card import GenerationCard
from probekit.suites.suite import Suite

StepObserver = Callable[[int, Tensor], None]
"""Called after each step with its index and the latents (B, C, L, h, w)."""


def solve_flow(
    transformer: WanTransformer3DModel,
    scheduler: SchedulerMixin,
    noise: Tensor,
    text: Tensor,
    negative_text: Tensor,
    guidance: float,
    observe: StepObserver | None = None,
) -> Tensor:
    """Integrate the learned flow from noise to data, as diffusers' `WanPipeline.__call__` does.

    Args:
        transformer: bidirectional Wan transformer.
        scheduler: a flow-matching scheduler with its timesteps set.
        noise: (B, C, L, h, w) standard normal.
        text: (B, tokens, width) prompt embeddings.
        negative_text: the same for the negative prompt.
        guidance: scale of classifier-free guidance; with 1 the negative prompt is not evaluated.
        observe: sees the latents after each step.

    Returns:
        Clean latents (B, C, L, h, w).
    """
    conditions = guided_batch(text, guidance, negative_text).to(transformer.dtype)
    latents = noise
    for index, timestep in enumerate(scheduler.timesteps):
        predict = functools.partial(_flow, transformer, conditions, timestep)
        flow = guided_prediction(predict, latents, guidance)
        latents = scheduler.step(flow, timestep, latents, return_dict=False)[0]
        if observe is not None:
            observe(index, latents)
    return latents


def _flow(transformer: WanTransformer3DModel, conditions: Tensor, timestep: Tensor, latents: Tensor) -> Tensor:
    flow: Tensor = transformer(
        hidden_states=latents.to(transformer.dtype),
        timestep=timestep.expand(len(latents)),
        encoder_hidden_states=conditions,
        return_dict=False,
    )[0]
    return flow.to(latents.dtype)


def shifted_scheduler(scheduler: SchedulerMixin, steps: int, shift: float) -> SchedulerMixin:
    """A fresh copy of a scheduler with another shift and number of steps."""
    name = "flow_shift" if "flow_shift" in scheduler.config else "shift"
    changed: dict[str, Any] = {name: shift}
    copy = type(scheduler).from_config(scheduler.config, **changed)
    copy.set_timesteps(steps)
    return copy


class BidirectionalSampler:
    """Samples suites with a model folder; implements `VideoGenerator`.

    Args:
        folder: model folder in diffusers layout.
        suite: suite whose frame size and length are sampled.
        config: how it is sampled; None is the default.

    Raises:
        UserError: if the configuration sets what is a stream's alone; nothing has been loaded then.
    """

    def __init__(self, folder: Path, suite: Suite, config: SamplingConfig | None = None) -> None:
        config = config or SamplingConfig()
        config.refuse(STREAM_FIELDS, "A model of whole clips")
        self._steps = config.steps or CLIP_STEPS
        self._guidance = config.guidance or CLIP_GUIDANCE
        self._shift = config.shift or CLIP_SHIFT
        negative_prompt = config.negative_prompt or ""
        self._parts: ModelParts = load_model(folder).to(config.device)
        self._transformer = in_precision(self._parts.transformer, data_type(config.precision))
        self._device = config.device
        self._geometry = self._parts.geometry(suite.height, suite.width)
        self._latent_frames = self._geometry.latent_frames(suite.frames)
        self._seed = config.seed
        self._negative_text = self._parts.text.encode([negative_prompt])
        self._batch_size = fixed_batch_size(self._geometry.tokens(self._latent_frames))
        self.card = GenerationCard(
            model=self._parts.name,
            checkpoint_hash=self._parts.checkpoint_hash,
            ema=self._parts.ema,
            seed=self._seed,
            frames=suite.frames,
            fps=suite.fps,
            height=suite.height,
            width=suite.width,
            sampler=f"bidirectional {type(self._parts.scheduler).__name__}",
            steps=self._steps,
            guidance=self._guidance,
            shift=self._shift,
            negative_prompt=negative_prompt if self._guidance > 1 else None,
            codec=self._parts.codec_name,
            precision=config.card_precision,
            batch_size=self._batch_size,
        )

    def generate(self, requests: list[Request]) -> NDArray[Any]:
        """Make videos (B, T, H, W, 3) uint8, `card.batch_size` in each pass; each depends on its own request alone."""
        return np.concatenate([self._block(block) for block in blocks(requests, self._batch_size)])

    @torch.no_grad()
    def _block(self, block: Sequence[Request]) -> NDArray[Any]:
        requests = filled(block, self._batch_size)
        noise = torch.stack(
            [initial_noise(self._geometry, self._latent_frames, self._seed, request.key) for request in requests]
        )
        text = self._parts.text.encode([request.prompt for request in requests])
        negative = self._negative_text.expand_as(text)
        scheduler = shifted_scheduler(self._parts.scheduler, self._steps, self._shift)
        latents = solve_flow(self._transformer, scheduler, noise.to(self._device), text, negative, self._guidance)
        frames: NDArray[Any] = to_uint8_frames(self._parts.codec.decode(latents)).cpu().numpy()
        return frames[: len(block)]
