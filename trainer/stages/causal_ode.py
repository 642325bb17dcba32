"""Stage 2b: the few-step student, by regression on the teacher's trajectories (causal ODE distillation)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from diffusers import WanTransformer3DModel
from torch import Tensor

from probekit.diffusion.few_step import few_step_sigmas
from probekit.diffusion.flow_matching import TIMESTEPS
from probekit.errors import UserError
from probekit.models.causal_wan import CausalWan
from probekit.models.text_context import TextContext
from probekit.seeding import generator
from trainer.config import CausalOdeConfig
from trainer.data.trajectories import Trajectories, TrajectoryBatch
from trainer.distributed.sharding import place
from trainer.distributed.update import MicroBatch
from trainer.distributed.world import SINGLE, World
from trainer.objectives.auxiliary import AuxiliaryModels, MakeAuxiliary
from trainer.objectives.regression import clean_estimate, trajectory_loss
from trainer.stages.causal_parts import (
    STUDENT_ROLES,
    check_frames,
    export_student,
    open_generator,
    open_score,
    per_frame,
    teacher_forced_flow,
)
from trainer.stages.single_model import SingleModelStage

VALIDATION_CLIPS = 32


class CausalOdeStage(SingleModelStage[CausalWan]):
    """Causal-Forcing's stage 2: one level of the few, shared by all chunks; x0 against the trajectory's end."""

    held_out_rows = VALIDATION_CLIPS

    def __init__(
        self, config: CausalOdeConfig, make_auxiliary: MakeAuxiliary | None = None, world: World = SINGLE
    ) -> None:
        self._config = config
        self._shares = world.micro_batches(config.batch_size, config.scale.gradient_accumulation)
        self._sigmas = few_step_sigmas(config.few_steps, config.shift)
        self._trajectories = Trajectories(config.trajectories, self._sigmas)
        self._chunks = check_frames(self._trajectories.latent_frames, config.chunk_frames)
        model = open_generator(config.initial_model, STUDENT_ROLES, config.chunk_frames, "distilled")
        super().__init__(config, model, config.steps, world)
        self._text.prepare(self._trajectories.captions)
        if make_auxiliary is not None:
            self.auxiliary = make_auxiliary(self._auxiliary_models())

    def _auxiliary_models(self) -> AuxiliaryModels:
        config = self._config
        asks_for_real = config.foresight is not None and config.foresight.encoder == "real"
        real = self._open_score(config.real_model) if asks_for_real and config.real_model else None
        return AuxiliaryModels(
            self.model, real, self.ema.model, self._open_base, lambda module: place(module, self.world, config.scale)
        )

    def _open_base(self) -> WanTransformer3DModel:
        if self._config.base_model is None:
            raise UserError("foresight.encoder: base needs base_model.", "Name the bidirectional base in the recipe.")
        return self._open_score(self._config.base_model)

    def _open_score(self, model: str) -> WanTransformer3DModel:
        score = open_score(model, self._config.chunk_frames, "the foresight encoder")
        return place(score, self.world, self._config.scale)

    def shares(self, step: int) -> Sequence[range]:
        """Rows of this process's micro-batches."""
        return self._shares

    def micro_batch(self, step: int, rows: range) -> MicroBatch:
        """Loss of rows of a step's batch, and of what is plugged in."""
        config = self._config
        rng = generator("trajectories", config.seed, step)
        chosen = rng.integers(len(self._trajectories), size=config.batch_size)
        level = int(rng.integers(len(self._sigmas), size=1)[0])
        batch = self._trajectories.take(chosen[rows.start : rows.stop])
        auxiliary = self.auxiliary if self.auxiliary is not None and self.auxiliary.active(step) else None
        layer = None if auxiliary is None else auxiliary.layer
        text = self._text.encode(batch.captions)
        loss, states = self._loss(self.model, batch, level, text, layer)
        logged = {"loss": float(loss.detach())}
        if auxiliary is not None:
            additional = auxiliary.loss(states, batch.clean.to(self.world.device), text, step)
            loss, logged["auxiliary_loss"] = loss + additional, float(additional.detach())
        return MicroBatch(loss, logged, batch.captions)

    def _loss(
        self, model: CausalWan, batch: TrajectoryBatch, level: int, text: Tensor, layer: int | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Loss, and the states of a layer if one is named."""
        clean, noisy, endpoint = (
            tensor.to(self.world.device) for tensor in (batch.clean, batch.states[:, level], batch.endpoint)
        )
        sigma = noisy.new_full((len(noisy), self._chunks), self._sigmas[level])
        flow, states = teacher_forced_flow(
            model, clean, noisy, sigma * TIMESTEPS, TextContext(text), watched_layer=layer
        )
        return trajectory_loss(clean_estimate(noisy, flow, per_frame(sigma, noisy.shape[2])), endpoint), states

    def held_out_loss(self, rows: range) -> float:
        """Loss of the averaged weights on the first trajectories, averaged over all levels."""
        batch = self._trajectories.take(np.arange(rows.start, rows.stop) % len(self._trajectories))
        text = self._text.encode(batch.captions)
        losses = [float(self._loss(self.ema.model, batch, level, text)[0]) for level in range(len(self._sigmas))]
        return sum(losses) / len(losses)

    def export(self, folder: Path) -> None:
        """Write the averaged model as a few-step student."""
        export_student(self.ema.model, folder, self._config, "ode_student", self.world)
