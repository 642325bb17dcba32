"""Stage 2b: the few-step student, by regression on trajectories (CausVid, arXiv 2412.07772, section 4.3)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import WanTransformer3DModel
from torch import Tensor

from probekit.diffusion.few_step import few_step_sigmas
from probekit.diffusion.flow_matching import TIMESTEPS, clean_estimate
from probekit.errors import UserError
from probekit.models.causal_wan import CausalWan
from probekit.models.text_context import TextContext
from probekit.seeding import generator
from trainer.config.causal import CausalOdeConfig
from trainer.data.trajectories import Trajectories, TrajectoryBatch
from trainer.distributed.sharding import frozen_dtype, place
from trainer.distributed.update import MicroBatch
from trainer.distributed.world import SINGLE, World
from trainer.objectives.auxiliary import AuxiliaryModels, MakeAuxiliary
from trainer.objectives.regression import trajectory_loss
from trainer.stages.export import export_student
from trainer.stages.flows import diffusion_forced_flow, per_frame, teacher_forced_flow
from trainer.stages.opening import check_frames, initial_roles, open_codec, open_generator, open_score
from trainer.stages.single_model import SingleModelStage

VALIDATION_CLIPS = 32


class CausalOdeStage(SingleModelStage[CausalWan]):
    """x0 from the states of a trajectory against its end.

    With `clean_context`, Causal-Forcing's stage 2: one level of the few for all chunks, each of which sees clean ground
    truth. Without, Self-Forcing's initialisation: every chunk has a level of its own and sees noisy chunks.
    """

    held_out_rows = VALIDATION_CLIPS

    def __init__(
        self, config: CausalOdeConfig, make_auxiliary: MakeAuxiliary | None = None, world: World = SINGLE
    ) -> None:
        self._config = config
        self._shares = world.micro_batches(config.batch_size, config.scale.gradient_accumulation)
        self._sigmas = few_step_sigmas(config.few_steps, config.shift)
        self._trajectories = Trajectories(config.trajectories, self._sigmas, config.skip_corrupt_shards)
        if config.clean_context and not self._trajectories.has_ground_truth:
            raise UserError(
                f"The trajectories in {config.trajectories} have no ground truth to see.",
                "Set clean_context: false, or take the trajectories of an AR teacher.",
            )
        self._chunks = check_frames(self._trajectories.latent_frames, config.chunk_frames)
        model = open_generator(config.initial_model, initial_roles(config), config.chunk_frames, "distilled")
        super().__init__(config, model, config.steps, world)
        self._text.prepare(self._trajectories.captions)
        if make_auxiliary is not None:
            self.auxiliary = make_auxiliary(self._auxiliary_models())

    def _auxiliary_models(self) -> AuxiliaryModels:
        config = self._config
        asks_for_real = config.foresight is not None and config.foresight.encoder == "real"
        real = self._open_score(config.real_model) if asks_for_real and config.real_model else None
        return AuxiliaryModels(
            self.model,
            real,
            self.ema.model,
            self._open_base,
            lambda module: place(module, self.world, config.scale),
            lambda: open_codec(config.text_and_codec),
        )

    def _open_base(self) -> WanTransformer3DModel:
        if self._config.base_model is None:
            raise UserError("foresight.encoder: base needs base_model.", "Name the bidirectional base in the recipe.")
        return self._open_score(self._config.base_model)

    def _open_score(self, model: str) -> WanTransformer3DModel:
        score = open_score(model, self._config.chunk_frames, "the foresight encoder", frozen_dtype(self._config.scale))
        return place(score, self.world, self._config.scale)

    def shares(self, step: int) -> Sequence[range]:
        """Rows of this process's micro-batches."""
        return self._shares

    def batch_shape(self, step: int) -> Sequence[int]:
        """(B, C, L, h, w) of the whole batch."""
        return (self._config.batch_size, *self._trajectories.shape)

    def micro_batch(self, step: int, rows: range) -> MicroBatch:
        """Loss of rows of a step's batch, and of what is plugged in."""
        config = self._config
        rng = generator("trajectories", config.seed, step)
        chosen = rng.integers(len(self._trajectories), size=config.batch_size)
        levels = self._draw_levels(rng)[rows.start : rows.stop]
        batch = self._trajectories.take(chosen[rows.start : rows.stop])
        auxiliary = self.auxiliary if self.auxiliary is not None and self.auxiliary.active(step) else None
        layer = None if auxiliary is None else auxiliary.layer
        text = self._text.encode(batch.captions)
        loss, states = self._loss(self.model, batch, levels, text, layer)
        logged = {"loss": float(loss.detach())}
        if auxiliary is not None:
            finished = batch.endpoint if batch.clean is None else batch.clean
            additional = auxiliary.loss(states, finished.to(self.world.device), text, step)
            loss, logged["auxiliary_loss"] = loss + additional, float(additional.detach())
        return MicroBatch(loss, logged, batch.captions)

    def _draw_levels(self, rng: np.random.Generator) -> Tensor:
        """Index of each chunk's level (B, N) for the whole batch: one for all, or one for each chunk."""
        size = self._config.batch_size
        if self._config.clean_context:
            return torch.full((size, self._chunks), int(rng.integers(len(self._sigmas), size=1)[0]))
        return torch.from_numpy(rng.integers(len(self._sigmas), size=(size, self._chunks)))

    def _loss(
        self, model: CausalWan, batch: TrajectoryBatch, levels: Tensor, text: Tensor, layer: int | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Loss for the indices of levels (B, N), and the states of a layer if one is named."""
        noisy = states_at(batch.states, levels).to(self.world.device)
        sigma = torch.tensor(self._sigmas, device=noisy.device)[levels.to(noisy.device)]
        context, timestep = TextContext(text), sigma * TIMESTEPS
        if self._config.clean_context and batch.clean is not None:
            clean = batch.clean.to(noisy.device)
            flow, states = teacher_forced_flow(model, clean, noisy, timestep, context, watched_layer=layer)
        else:
            flow, states = diffusion_forced_flow(model, noisy, timestep, context, watched_layer=layer)
        estimate = clean_estimate(noisy, flow, per_frame(sigma, noisy.shape[2]))
        return trajectory_loss(estimate, batch.endpoint.to(noisy.device)), states

    def held_out_loss(self, rows: range) -> float:
        """Loss of the averaged weights on the first trajectories, averaged over all levels."""
        batch = self._trajectories.take(np.arange(rows.start, rows.stop) % len(self._trajectories))
        text = self._text.encode(batch.captions)
        each = [torch.full((len(rows), self._chunks), level) for level in range(len(self._sigmas))]
        return sum(float(self._loss(self.ema.model, batch, levels, text)[0]) for levels in each) / len(each)

    def export(self, folder: Path) -> None:
        """Write the averaged model as a few-step student."""
        export_student(self.ema.model, folder, self._config, "ode_student", self.world)


def states_at(states: Tensor, levels: Tensor) -> Tensor:
    """States (B, K, C, L, h, w) of a trajectory, chunk by chunk at the levels (B, N): (B, C, L, h, w)."""
    chunks = states.unflatten(3, (levels.shape[1], -1)).movedim(3, 1)
    rows, columns = torch.meshgrid(*(torch.arange(size) for size in levels.shape), indexing="ij")
    chosen: Tensor = chunks[rows, columns, levels].movedim(1, 2).flatten(2, 3)
    return chosen
