"""Stage 2 without trajectories: causal consistency distillation of the AR teacher on clips (Causal-Forcing++)."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from probekit.diffusion.few_step import euler_sigmas
from probekit.diffusion.flow_matching import TIMESTEPS, classifier_free_guidance
from probekit.models.causal_card import CausalCard, Role
from probekit.models.causal_wan import CausalWan
from probekit.models.loading import load_text_encoder
from probekit.models.text_context import TextContext
from probekit.seeding import counter_seed, generator
from trainer.config import ConsistencyConfig
from trainer.data.sprite_latents import LatentBatch, SpriteLatents
from trainer.ema import ExponentialMovingAverage
from trainer.objectives.regression import clean_estimate, euler_step, trajectory_loss
from trainer.optimizers import build_adamw
from trainer.stages.causal_parts import (
    check_frames,
    export_causal,
    open_generator,
    optimizer_step,
    per_frame,
    set_learning_rate,
    teacher_forced_flow,
)

VALIDATION_CLIPS = 16
_ROLES: tuple[Role | None, ...] = ("ar_teacher", "ode_student")


class ConsistencyStage:
    """The student's x0 at one level against its average's x0 one teacher step further down.

    One level a batch, shared by all chunks; the past is ground truth. On the last step of the grid, which ends at 0,
    the target is the teacher's own end point: the official code never trains that pair, so nothing anchors its student.
    """

    def __init__(self, config: ConsistencyConfig) -> None:
        self._config = config
        self._chunks = check_frames(config.latent_frames, config.chunk_frames)
        self._sigmas = euler_sigmas(config.euler_steps, config.shift)
        self._clips = SpriteLatents(config.data, "train")
        self._text = load_text_encoder(config.text_and_codec)
        self._no_prompt = self._text.encode([""])
        self.teacher = open_generator(config.teacher, ("ar_teacher",), config.chunk_frames, "the teacher").eval()
        self.teacher.requires_grad_(False)
        self.model = open_generator(config.initial_model, _ROLES, config.chunk_frames, "distilled")
        self.ema = ExponentialMovingAverage(self.model, config.ema_decay)
        self.optimizer = build_adamw(self.model, config.optimizer)

    def training_step(self, step: int) -> dict[str, float]:
        """Do one optimizer step.

        Raises:
            NonFiniteTraining: if the loss or the gradient norm is not finite; no weight has been changed.
        """
        config = self._config
        rate = set_learning_rate(self.optimizer, config.optimizer, step, config.steps)
        rng = generator("consistency", config.seed, step)
        clips = self._clips.batch(config.batch_size, config.latent_frames, rng)
        level = int(rng.integers(config.euler_steps))
        loss = self._loss(self.model, clips, level, counter_seed("consistency-noise", config.seed, step))
        norm = optimizer_step(
            self.optimizer,
            self.model.parameters(),
            loss,
            config.optimizer.clip_norm,
            step,
            config.seed,
            clips.captions,
        )
        self.ema.update(self.model)
        return {"loss": float(loss.detach()), "gradient_norm": norm, "learning_rate": rate, "level": level}

    def _loss(self, model: CausalWan, clips: LatentBatch, level: int, seed: int) -> Tensor:
        sigma, following = self._sigmas[level], self._sigmas[level + 1]
        noise = torch.randn(clips.latents.shape, generator=torch.Generator().manual_seed(seed % 2**63))
        noisy = (1 - sigma) * clips.latents + sigma * noise
        text = self._text.encode(clips.captions)
        with torch.no_grad():
            further = euler_step(noisy, self._teacher_flow(clips.latents, noisy, sigma, text), sigma, following)
            target = self._clean(self.ema.model, clips.latents, further, following, text) if following else further
        return trajectory_loss(self._clean(model, clips.latents, noisy, sigma, text), target)

    def _clean(self, model: CausalWan, clean: Tensor, noisy: Tensor, sigma: float, text: Tensor) -> Tensor:
        level = torch.full((len(noisy), self._chunks), sigma)
        flow, _ = teacher_forced_flow(model, clean, noisy, level * TIMESTEPS, TextContext(text))
        return clean_estimate(noisy, flow, per_frame(level, noisy.shape[2]))

    def _teacher_flow(self, clean: Tensor, noisy: Tensor, sigma: float, text: Tensor) -> Tensor:
        both = torch.cat([text, self._no_prompt.expand_as(text)])
        level = torch.full((2 * len(noisy), self._chunks), sigma * TIMESTEPS)
        flow, _ = teacher_forced_flow(
            self.teacher, torch.cat([clean, clean]), torch.cat([noisy, noisy]), level, TextContext(both)
        )
        conditional, unconditional = flow.chunk(2)
        return classifier_free_guidance(conditional, unconditional, self._config.guidance)

    @torch.no_grad()
    def validation_loss(self) -> float:
        """Loss of the averaged weights on held-out clips at a few levels with fixed noise."""
        held_out = SpriteLatents(self._config.data, "validation")
        clips = held_out.batch(VALIDATION_CLIPS, self._config.latent_frames, generator("validation-clips"))
        levels = sorted({0, self._config.euler_steps // 2, self._config.euler_steps - 1})
        return sum(float(self._loss(self.ema.model, clips, level, 0)) for level in levels) / len(levels)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on."""
        return {
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore from `state_dict`."""
        self.model.load_state_dict(state["model"])
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])

    def export(self, folder: Path) -> None:
        """Write the averaged model as a few-step student."""
        config = self._config
        card = CausalCard(
            role="ode_student", chunk_frames=config.chunk_frames, shift=config.shift, few_steps=config.few_steps
        )
        export_causal(self.ema.model, folder, config.text_and_codec, card)
