"""Euler trajectories of a bidirectional teacher that makes whole clips from prompts: Self-Forcing's initialisation."""

import functools
from itertools import pairwise

import torch
from diffusers import WanTransformer3DModel
from torch import Tensor

from probekit.diffusion.few_step import euler_sigmas, grid_position
from probekit.diffusion.flow_matching import TIMESTEPS, euler_step, guided_batch, guided_prediction
from probekit.models.loading import PromptEncoder
from probekit.rollout.noise import normal_rows
from trainer.config.causal import TrajectoryConfig
from trainer.data.prompts import PromptFile, sprite_prompts
from trainer.data.trajectories import TrajectoryBatch


def stored_steps(config: TrajectoryConfig) -> list[int]:
    """Zero-based Euler steps that begin at the few-step levels."""
    return [int(grid_position(step, config.euler_steps)) for step in config.few_steps]


@torch.no_grad()
def whole_clip_shard(
    teacher: WanTransformer3DModel, text: PromptEncoder, config: TrajectoryConfig, number: int, rows: range
) -> TrajectoryBatch:
    """Solve the teacher's flow from noise for prompts of a shard.

    Args:
        teacher: bidirectional.
        text: encodes the prompts and the negative prompt.
        config: configuration of the solver.
        number: number of the shard.
        rows: rows of the shard.
    """
    prompts = _prompts(config, number)[rows.start : rows.stop]
    shape = (teacher.config.in_channels, config.latent_frames, *config.latent_size)
    latents = normal_rows(shape, rows, "trajectory", config.seed, number).to(teacher.device)
    conditions = text.encode(prompts)
    negative = text.encode([config.negative_prompt]).expand_as(conditions)
    sigmas, kept, states = euler_sigmas(config.euler_steps, config.shift), stored_steps(config), []
    both = guided_batch(conditions, config.guidance, negative)
    for step, (sigma, following) in enumerate(pairwise(sigmas)):
        if step in kept:
            states.append(latents)
        flow = guided_prediction(functools.partial(_flow, teacher, both, sigma), latents, config.guidance)
        latents = euler_step(latents, flow, sigma, following)
    return TrajectoryBatch(torch.stack(states, dim=1), latents, None, prompts)


def prompts_of(config: TrajectoryConfig) -> list[str]:
    """Prompts of all shards."""
    return [prompt for number in range(config.shards) for prompt in _prompts(config, number)]


def _prompts(config: TrajectoryConfig, number: int) -> list[str]:
    if config.prompts is not None:
        return PromptFile(config.prompts, config.seed).batch(number, config.clips_per_shard)
    return sprite_prompts("train", config.clips_per_shard, "trajectory", config.seed, number)


def _flow(teacher: WanTransformer3DModel, text: Tensor, sigma: float, latents: Tensor) -> Tensor:
    flow: Tensor = teacher(
        hidden_states=latents,
        timestep=latents.new_full((len(latents),), sigma * TIMESTEPS),
        encoder_hidden_states=text,
        return_dict=False,
    )[0]
    return flow
