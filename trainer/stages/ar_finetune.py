"""Stage 1: the bidirectional base becomes causal, by flow matching with teacher forcing."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from probekit.diffusion.flow_matching import TIMESTEPS, shift_sigma, velocity_target
from probekit.models.causal_card import CausalCard
from probekit.models.causal_wan import CausalWan
from probekit.models.loading import load_text_encoder
from probekit.models.text_context import TextContext
from probekit.seeding import counter_seed, generator
from trainer.config import AutoregressiveConfig
from trainer.data.sprite_latents import LatentBatch, SpriteLatents
from trainer.ema import ExponentialMovingAverage
from trainer.objectives.regression import bell_total, bell_weight, weighted_flow_loss
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

VALIDATION_CLIPS = 32


class AutoregressiveStage:
    """Causal-Forcing's stage 1: one noise level a chunk, uniform and then shifted, clean past at timestep 0."""

    def __init__(self, config: AutoregressiveConfig) -> None:
        self._config = config
        self._chunks = check_frames(config.latent_frames, config.chunk_frames)
        self._clips = SpriteLatents(config.data, "train")
        self._text = load_text_encoder(config.text_and_codec)
        self._bell_total = bell_total(config.shift)
        self.model = open_generator(config.initial_model, (None, "ar_teacher"), config.chunk_frames, "fine-tuned")
        self.ema = ExponentialMovingAverage(self.model, config.ema_decay)
        self.optimizer = build_adamw(self.model, config.optimizer)

    def training_step(self, step: int) -> dict[str, float]:
        """Do one optimizer step.

        Raises:
            NonFiniteTraining: if the loss or the gradient norm is not finite; no weight has been changed.
        """
        config = self._config
        rate = set_learning_rate(self.optimizer, config.optimizer, step, config.steps)
        clips = self._clips.batch(config.batch_size, config.latent_frames, generator("clips", config.seed, step))
        rng = torch.Generator().manual_seed(counter_seed("training-noise", config.seed, step) % 2**63)
        loss = self._loss(self.model, clips, rng, config.caption_dropout)
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
        return {"loss": float(loss.detach()), "gradient_norm": norm, "learning_rate": rate}

    def _loss(self, model: CausalWan, clips: LatentBatch, rng: torch.Generator, dropout: float) -> Tensor:
        size = len(clips.captions)
        dropped = torch.rand(size, generator=rng) < dropout
        captions = ["" if drop else text for drop, text in zip(dropped, clips.captions, strict=True)]
        sigma = shift_sigma(torch.rand(size, self._chunks, generator=rng), self._config.shift)
        noise = torch.randn(clips.latents.shape, generator=rng)
        level = per_frame(sigma, clips.latents.shape[2])
        noisy = (1 - level) * clips.latents + level * noise
        timestep = sigma * TIMESTEPS
        text = TextContext(self._text.encode(captions))
        predicted, _ = teacher_forced_flow(model, clips.latents, noisy, timestep, text)
        weight = bell_weight(timestep, self._bell_total) if self._config.bell_weighting else torch.ones_like(sigma)
        return weighted_flow_loss(predicted, velocity_target(clips.latents, noise), weight)

    @torch.no_grad()
    def validation_loss(self) -> float:
        """Loss of the averaged weights on held-out clips with fixed noise, without caption dropout."""
        held_out = SpriteLatents(self._config.data, "validation")
        clips = held_out.batch(VALIDATION_CLIPS, self._config.latent_frames, generator("validation-clips"))
        return float(self._loss(self.ema.model, clips, torch.Generator().manual_seed(0), 0.0))

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
        """Write the averaged model as an AR teacher, which samples with Euler steps and guidance."""
        config = self._config
        card = CausalCard(
            role="ar_teacher",
            chunk_frames=config.chunk_frames,
            shift=config.shift,
            euler_steps=config.sampling_steps,
            guidance=config.sampling_guidance,
        )
        export_causal(self.ema.model, folder, config.text_and_codec, card)
