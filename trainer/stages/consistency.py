"""Stage 2 without trajectories: causal consistency distillation of the AR teacher on clips (Causal-Forcing++)."""

from pathlib import Path

import torch
from torch import Tensor

from probekit.diffusion.few_step import euler_sigmas
from probekit.diffusion.flow_matching import (
    TIMESTEPS,
    clean_estimate,
    euler_step,
    guided_batch,
    guided_prediction,
    interpolate,
)
from probekit.models.causal_wan import CausalWan
from probekit.models.text_context import TextContext
from probekit.rollout.noise import normal_rows
from probekit.seeding import generator
from trainer.config.causal import ConsistencyConfig
from trainer.data.latent_clips import LatentBatch
from trainer.distributed.sharding import place
from trainer.distributed.update import MicroBatch
from trainer.distributed.world import SINGLE, World
from trainer.objectives.regression import trajectory_loss
from trainer.stages.clip_stage import ClipStage
from trainer.stages.export import export_student
from trainer.stages.flows import per_frame, teacher_forced_flow
from trainer.stages.opening import open_generator

VALIDATION_CLIPS = 16


class ConsistencyStage(ClipStage):
    """The student's x0 at one level against its average's x0 one teacher step further down.

    One level per batch, shared by all chunks; the past is ground truth. On the last step of the grid, which ends at 0,
    the target is the teacher's own end point: the official code never trains that pair, so nothing anchors its student.
    """

    held_out_rows = VALIDATION_CLIPS

    def __init__(self, config: ConsistencyConfig, world: World = SINGLE) -> None:
        self._config = config
        self._sigmas = euler_sigmas(config.euler_steps, config.shift)
        super().__init__(config, "distilled", world)
        teacher = open_generator(config.teacher, ("ar_teacher",), config.chunk_frames, "the teacher").eval()
        self.teacher = place(teacher.requires_grad_(False), world, config.scale)
        self._no_prompt = self._text.encode([""])

    def micro_batch(self, step: int, rows: range) -> MicroBatch:
        """Loss of rows of a step's batch."""
        config = self._config
        rng = generator("consistency", config.seed, step)
        chosen = rng.integers(len(self._clips), size=config.batch_size)
        level = int(rng.integers(config.euler_steps))
        clips = self._clips.take(chosen[rows.start : rows.stop], config.latent_frames)
        noise = normal_rows(clips.latents.shape[1:], rows, "consistency-noise", config.seed, step)
        loss = self._loss(self.model, clips, level, noise)
        return MicroBatch(loss, {"loss": float(loss.detach()), "level": level}, clips.captions)

    def _loss(self, model: CausalWan, clips: LatentBatch, level: int, noise: Tensor) -> Tensor:
        sigma, following = self._sigmas[level], self._sigmas[level + 1]
        past = clips.latents.to(self.world.device)
        noisy = interpolate(past, noise.to(self.world.device), sigma)
        text = self._text.encode(clips.captions)
        with torch.no_grad():
            further = euler_step(noisy, self._teacher_flow(past, noisy, sigma, text), sigma, following)
            target = self._clean(self.ema.model, past, further, following, text) if following else further
        return trajectory_loss(self._clean(model, past, noisy, sigma, text), target)

    def _clean(self, model: CausalWan, clean: Tensor, noisy: Tensor, sigma: float, text: Tensor) -> Tensor:
        level = noisy.new_full((len(noisy), self._chunks), sigma)
        flow, _ = teacher_forced_flow(model, clean, noisy, level * TIMESTEPS, TextContext(text))
        return clean_estimate(noisy, flow, per_frame(level, noisy.shape[2]))

    def _teacher_flow(self, clean: Tensor, noisy: Tensor, sigma: float, text: Tensor) -> Tensor:
        scale = self._config.guidance
        context = TextContext(guided_batch(text, scale, self._no_prompt.expand_as(text)))
        past = guided_batch(clean, scale)

        def predict(latents: Tensor) -> Tensor:
            level = latents.new_full((len(latents), self._chunks), sigma * TIMESTEPS)
            return teacher_forced_flow(self.teacher, past, latents, level, context)[0]

        return guided_prediction(predict, noisy, scale)

    def held_out_loss(self, rows: range) -> float:
        """Loss of the averaged weights on held-out clips at a few levels with fixed noise."""
        clips, noise, _ = self._held_out_clips(rows)
        levels = sorted({0, self._config.euler_steps // 2, self._config.euler_steps - 1})
        return sum(float(self._loss(self.ema.model, clips, level, noise)) for level in levels) / len(levels)

    def export(self, folder: Path) -> None:
        """Write the averaged model as a few-step student."""
        export_student(self.ema.model, folder, self._config, "ode_student", self.world)
