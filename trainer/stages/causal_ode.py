"""Stage 2b: the few-step student, by regression on the teacher's trajectories (causal ODE distillation)."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import WanTransformer3DModel
from torch import Tensor

from probekit.diffusion.few_step import few_step_sigmas
from probekit.diffusion.flow_matching import TIMESTEPS
from probekit.errors import UserError
from probekit.models.causal_card import CausalCard, Role
from probekit.models.causal_wan import CausalWan
from probekit.models.loading import load_text_encoder
from probekit.models.text_context import TextContext
from probekit.seeding import generator
from trainer.config import CausalOdeConfig
from trainer.data.trajectories import Trajectories, TrajectoryBatch
from trainer.ema import ExponentialMovingAverage
from trainer.objectives.auxiliary import AuxiliaryModels, MakeAuxiliary
from trainer.objectives.regression import clean_estimate, trajectory_loss
from trainer.optimizers import build_adamw
from trainer.stages.causal_parts import (
    check_frames,
    export_causal,
    open_generator,
    open_score,
    optimizer_step,
    per_frame,
    set_learning_rate,
    teacher_forced_flow,
)

VALIDATION_CLIPS = 32
_ROLES: tuple[Role | None, ...] = ("ar_teacher", "ode_student")


class CausalOdeStage:
    """Causal-Forcing's stage 2: one level of the few, shared by all chunks; x0 against the trajectory's end."""

    def __init__(self, config: CausalOdeConfig, make_auxiliary: MakeAuxiliary | None = None) -> None:
        self._config = config
        self._sigmas = few_step_sigmas(config.few_steps, config.shift)
        self._trajectories = Trajectories(config.trajectories, self._sigmas)
        self._chunks = check_frames(self._trajectories.latent_frames, config.chunk_frames)
        self._text = load_text_encoder(config.text_and_codec)
        self.model = open_generator(config.initial_model, _ROLES, config.chunk_frames, "distilled")
        self.ema = ExponentialMovingAverage(self.model, config.ema_decay)
        self.optimizer = build_adamw(self.model, config.optimizer)
        asks_for_real = config.foresight is not None and config.foresight.encoder == "real"
        real = self._open_score(config.real_model) if asks_for_real and config.real_model else None
        models = AuxiliaryModels(self.model, real, self.ema.model, self._open_base)
        self.auxiliary = make_auxiliary(models) if make_auxiliary else None

    def _open_base(self) -> WanTransformer3DModel:
        if self._config.base_model is None:
            raise UserError("foresight.encoder: base needs base_model.", "Name the bidirectional base in the recipe.")
        return self._open_score(self._config.base_model)

    def _open_score(self, model: str) -> WanTransformer3DModel:
        return open_score(model, self._config.chunk_frames, "the foresight encoder")

    def training_step(self, step: int) -> dict[str, float]:
        """Do one optimizer step.

        Raises:
            NonFiniteTraining: if the loss or the gradient norm is not finite; no weight has been changed.
        """
        config = self._config
        rate = set_learning_rate(self.optimizer, config.optimizer, step, config.steps)
        rng = generator("trajectories", config.seed, step)
        batch, levels = self._trajectories.batch(config.batch_size, rng), rng.integers(len(self._sigmas), size=1)
        loss, logged = self._loss(self.model, batch, int(levels[0]), step)
        norm = optimizer_step(
            self.optimizer,
            self.model.parameters(),
            loss,
            config.optimizer.clip_norm,
            step,
            config.seed,
            batch.captions,
        )
        if "auxiliary_loss" in logged and self.auxiliary is not None:
            logged |= self.auxiliary.update()
        self.ema.update(self.model)
        return logged | {"gradient_norm": norm, "learning_rate": rate}

    def _loss(
        self, model: CausalWan, batch: TrajectoryBatch, level: int, step: int | None = None
    ) -> tuple[Tensor, dict[str, float]]:
        """Loss and what to log; without a step, the regression alone."""
        auxiliary = self.auxiliary if step is not None and self.auxiliary and self.auxiliary.active(step) else None
        noisy = batch.states[:, level]
        sigma = torch.full((len(noisy), self._chunks), self._sigmas[level])
        embeddings = self._text.encode(batch.captions)
        flow, states = teacher_forced_flow(
            model,
            batch.clean,
            noisy,
            sigma * TIMESTEPS,
            TextContext(embeddings),
            watched_layer=None if auxiliary is None else auxiliary.layer,
        )
        loss = trajectory_loss(clean_estimate(noisy, flow, per_frame(sigma, noisy.shape[2])), batch.endpoint)
        logged = {"loss": float(loss.detach())}
        if auxiliary is None or step is None:
            return loss, logged
        additional = auxiliary.loss(states, batch.clean, embeddings, step)
        return loss + additional, logged | {"auxiliary_loss": float(additional.detach())}

    @torch.no_grad()
    def validation_loss(self) -> float:
        """Loss of the averaged weights on the first trajectories, averaged over all levels."""
        batch = self._trajectories.take(np.arange(min(VALIDATION_CLIPS, len(self._trajectories))))
        losses = [float(self._loss(self.ema.model, batch, level)[0]) for level in range(len(self._sigmas))]
        return sum(losses) / len(losses)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on."""
        return {
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "auxiliary": None if self.auxiliary is None else self.auxiliary.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore from `state_dict`."""
        self.model.load_state_dict(state["model"])
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.auxiliary is not None:
            self.auxiliary.load_state_dict(state["auxiliary"])

    def export(self, folder: Path) -> None:
        """Write the averaged model as a few-step student."""
        config = self._config
        card = CausalCard(
            role="ode_student", chunk_frames=config.chunk_frames, shift=config.shift, few_steps=config.few_steps
        )
        export_causal(self.ema.model, folder, config.text_and_codec, card)
