"""Flow-matching training of a bidirectional Wan transformer from random weights."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import WanTransformer3DModel
from torch import Tensor, nn

from probekit.diffusion.flow_matching import TIMESTEPS, interpolate, stratified_sigmas, velocity_target
from probekit.models.loading import load_text_encoder
from probekit.models.presets import sprite_transformer_config
from probekit.models.saving import complete_model_folder, save_transformer
from probekit.seeding import counter_seed, generator
from trainer.config import BidirectionalConfig
from trainer.data.sprite_latents import LatentBatch, SpriteLatents
from trainer.ema import ExponentialMovingAverage
from trainer.errors import NonFiniteTraining
from trainer.objectives.flow_matching import flow_matching_loss
from trainer.optimizers import build_adamw, learning_rate_factor

VALIDATION_CLIPS = 64
VALIDATION_SHIFT = 2.0


def build_transformer(config: BidirectionalConfig) -> WanTransformer3DModel:
    """A seeded transformer of the configured size, initialised as Wan is: Xavier matrices and a zero output layer."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(counter_seed("initial-weights", config.seed) % 2**63)
        model = WanTransformer3DModel(**sprite_transformer_config(config.model.heads, config.model.layers))
        for module in model.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        nn.init.xavier_uniform_(model.patch_embedding.weight.flatten(1))
        nn.init.zeros_(model.proj_out.weight)
    return model


class BidirectionalStage:
    """One optimizer step at a time; the loop owns time, checkpoints and logs.

    Randomness of step s is a function of (seed, s) alone, so a resumed run repeats the uninterrupted one.
    """

    def __init__(self, config: BidirectionalConfig) -> None:
        self._config = config
        self._clips = SpriteLatents(config.data, "train")
        self._text = load_text_encoder(config.text_and_codec)
        self.model = build_transformer(config)
        self.ema = ExponentialMovingAverage(self.model, config.ema_decay)
        self.optimizer = build_adamw(self.model, config.optimizer)
        self._training_model: Callable[..., Any] = (
            torch.compile(self.model, dynamic=False) if config.compile else self.model
        )
        if config.mixed_precision:
            self._training_model = torch.autocast("cpu", torch.bfloat16)(self._training_model)

    def training_step(self, step: int) -> dict[str, float]:
        """Do one optimizer step and return its loss, gradient norm and learning rate.

        Raises:
            NonFiniteTraining: if the loss or the gradient norm is not finite; no weight has been changed.
        """
        factor = learning_rate_factor(step, self._config.total_steps, self._config.optimizer)
        rate = self._config.optimizer.learning_rate * factor
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        phase = self._config.phase_at(step)
        clips = self._clips.batch(phase.batch_size, phase.latent_frames, generator("clips", self._config.seed, step))
        noise_rng = torch.Generator().manual_seed(counter_seed("training-noise", self._config.seed, step) % 2**63)
        loss = self._loss(self._training_model, clips, noise_rng, self._config.caption_dropout, phase.timestep_shift)
        self.optimizer.zero_grad()
        loss.backward()
        norm = float(nn.utils.clip_grad_norm_(self.model.parameters(), self._config.optimizer.clip_norm))
        value = float(loss.detach())
        if not math.isfinite(value) or not math.isfinite(norm):
            raise NonFiniteTraining(step, value, norm, self._config.seed, clips.captions)
        self.optimizer.step()
        self.ema.update(self.model)
        return {"loss": value, "gradient_norm": norm, "learning_rate": rate}

    def _loss(
        self, model: Callable[..., Any], clips: LatentBatch, rng: torch.Generator, dropout: float, shift: float
    ) -> Tensor:
        size = len(clips.captions)
        dropped = torch.rand(size, generator=rng) < dropout
        captions = ["" if drop else text for drop, text in zip(dropped, clips.captions, strict=True)]
        sigma = stratified_sigmas(size, shift, rng)
        noise = torch.randn(clips.latents.shape, generator=rng)
        predicted = model(
            hidden_states=interpolate(clips.latents, noise, sigma),
            timestep=sigma * TIMESTEPS,
            encoder_hidden_states=self._text.encode(captions),
            return_dict=False,
        )[0]
        return flow_matching_loss(predicted, velocity_target(clips.latents, noise))

    @torch.no_grad()
    def validation_loss(self) -> float:
        """Loss of the averaged weights on 64 held-out full-length clips with fixed noise, without caption dropout."""
        held_out = SpriteLatents(self._config.data, "validation")
        frames = held_out.latents.shape[2]
        rng = torch.Generator().manual_seed(0)
        rows = np.random.default_rng(0)
        losses = [
            float(self._loss(self.ema.model, held_out.batch(16, frames, rows), rng, 0.0, VALIDATION_SHIFT))
            for _ in range(VALIDATION_CLIPS // 16)
        ]
        return sum(losses) / len(losses)

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
        """Write the averaged model as a folder that `probekit sample` and diffusers open, weights in bf16."""
        save_transformer(self.ema.model, folder)
        complete_model_folder(folder, self._config.text_and_codec, self._config.sampling_shift)
