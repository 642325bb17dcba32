"""The two scores of a distillation: the frozen real one, under guidance, and the critic that follows the generator."""

from collections.abc import Sequence

import torch
from diffusers import WanTransformer3DModel
from torch import Tensor

from probekit.choices import Role
from probekit.diffusion.flow_matching import (
    TIMESTEPS,
    clean_estimate,
    expand_sigma,
    guided_batch,
    guided_prediction,
    interpolate,
)
from probekit.diffusion.noise_table import SCORE_SHIFT, nearest_table_sigma
from probekit.models.causal_wan import CausalWan
from probekit.models.text_context import TextContext
from probekit.rollout.noise import normal_rows
from trainer.config.recipe import DmdConfig
from trainer.distributed.sharding import frozen_dtype, place
from trainer.distributed.world import World
from trainer.objectives.dmd import critic_loss, dmd_gradient, official_critic_loss, score_timesteps
from trainer.stages.flows import teacher_forced_flow
from trainer.stages.opening import open_causal_score, open_score
from trainer.stages.random_rows import draw_rows


def score_roles(config: DmdConfig) -> tuple[Role | None, ...]:
    """Roles that real score and critic may have; None stands for a bidirectional model."""
    return ("ar_teacher",) if config.causal_scores else (None,)


class DmdScores:
    """Real score and critic, and what a finished rollout hears from them.

    Bidirectional scores judge a chunk in the light of the whole video, its future too. Causal ones are AR models: they
    judge each noisy chunk given the clean chunks before it, so that no gradient knows what comes.

    Args:
        config: configuration of the run.
        no_prompt: embedding (1, tokens, text width) of the empty prompt.
        world: processes of the run.

    Attributes:
        real: the real score, frozen.
        critic: the fake score, trained by the stage.
    """

    def __init__(self, config: DmdConfig, no_prompt: Tensor, world: World) -> None:
        self._config = config
        self._no_prompt = no_prompt
        self.real = self._open(config.real_model, "the real score", world)
        self.critic = self._open(config.critic_model, "the critic", world, trained=True)

    def _open(self, model: str, use: str, world: World, *, trained: bool = False) -> WanTransformer3DModel:
        config = self._config
        opened = open_causal_score if config.causal_scores else open_score
        dtype = torch.float32 if trained else frozen_dtype(config.scale)
        score = opened(model, config.chunk_frames, use, dtype).requires_grad_(trained)
        return place(score, world, config.scale)

    @torch.no_grad()
    def gradient(self, video: Tensor, text: Tensor, rows: range, names: Sequence[str | int]) -> Tensor:
        """The DMD gradient of a finished rollout (B, C, L, h, w); levels and noise are a function of names and row."""
        noisy, _, timestep = self._noised(video, rows, names)
        sigma = expand_sigma(self._sigma(timestep, SCORE_SHIFT), noisy)
        fake = clean_estimate(noisy, self._flow(self.critic, video, noisy, timestep, text), sigma)
        scale = self._config.guidance
        conditions = guided_batch(text, scale, self._no_prompt.expand_as(text))
        past, levels = guided_batch(video, scale), guided_batch(timestep, scale)
        guided = guided_prediction(
            lambda latents: self._flow(self.real, past, latents, levels, conditions), noisy, scale
        )
        return dmd_gradient(video, fake, clean_estimate(noisy, guided, sigma))

    def critic_loss(self, video: Tensor, text: Tensor, rows: range, names: Sequence[str | int]) -> Tensor:
        """Flow matching of the critic on a finished rollout; arguments as `gradient`."""
        noisy, noise, timestep = self._noised(video, rows, names)
        flow = self._flow(self.critic, video, noisy, timestep, text)
        if not self._config.official.critic_through_x0:
            return critic_loss(flow, video, noise)
        levels = (nearest_table_sigma(timestep, shift) for shift in (SCORE_SHIFT, self._config.shift))
        return official_critic_loss(flow, video, noise, *levels)

    def _sigma(self, timestep: Tensor, table_shift: float) -> Tensor:
        """Noise level of a timestep: exact, or of the official table with this shift."""
        if self._config.official.table_sigmas:
            return nearest_table_sigma(timestep, table_shift)
        return timestep / TIMESTEPS

    def _noised(self, video: Tensor, rows: range, names: Sequence[str | int]) -> tuple[Tensor, Tensor, Tensor]:
        """Noisy video, its noise and timesteps (B,), one level per video."""
        config = self._config
        uniform = draw_rows(max(config.batch_size, rows.stop), rows, "score-levels", *names).to(video.device)
        timestep = score_timesteps(uniform, config.shift, config.timestep_range)
        noise = normal_rows(video.shape[1:], rows, "score-noise", *names).to(video.device)
        return interpolate(video, noise, self._sigma(timestep, config.shift)), noise, timestep

    def _flow(
        self, model: WanTransformer3DModel, clean: Tensor, noisy: Tensor, timestep: Tensor, text: Tensor
    ) -> Tensor:
        if isinstance(model, CausalWan):
            levels = timestep[:, None].expand(-1, clean.shape[2] // self._config.chunk_frames)
            return teacher_forced_flow(model, clean, noisy, levels, TextContext(text))[0]
        flow: Tensor = model(hidden_states=noisy, timestep=timestep, encoder_hidden_states=text, return_dict=False)[0]
        return flow
