"""What the stages that train one model share: updates from micro-batches, validation, checkpoints."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Generic, TypeVar

import torch
from diffusers import WanTransformer3DModel

from trainer.config.run import RunConfig
from trainer.data.training_text import TrainingText
from trainer.distributed.sharding import autocast
from trainer.distributed.update import MicroBatch, UpdateNames, update
from trainer.distributed.world import World
from trainer.engine.optimizers import set_learning_rate
from trainer.engine.state import TrainingState
from trainer.objectives.auxiliary import AuxiliaryObjective
from trainer.stages.averaged_model import AveragedModel
from trainer.stages.random_rows import token_count

M = TypeVar("M", bound=WanTransformer3DModel)


class SingleModelStage(ABC, Generic[M]):
    """One optimizer update per step.

    Randomness of step s is a function of (seed, s, row in the batch) alone, so a resumed run repeats the uninterrupted
    one, and the number of processes does not matter.

    Args:
        config: configuration of the run.
        model: model that learns, in fp32.
        total_steps: steps of the learning-rate schedule.
        world: processes of the run.
    """

    auxiliary: AuxiliaryObjective | None = None

    def __init__(self, config: RunConfig, model: M, total_steps: int, world: World) -> None:
        self.world = world
        self._run = config
        self._total_steps = total_steps
        self._text = TrainingText(config.text_and_codec, world, config.scale.precompute_text)
        self._trained = AveragedModel.start(model, config, world)
        self.model = self._trained.model
        self.ema = self._trained.ema
        self.optimizer = self._trained.optimizer

    @abstractmethod
    def shares(self, step: int) -> Sequence[range]:
        """Rows of this process's micro-batches in a step."""

    @abstractmethod
    def batch_shape(self, step: int) -> Sequence[int]:
        """(B, C, L, h, w) of the whole batch of a step."""

    @abstractmethod
    def micro_batch(self, step: int, rows: range) -> MicroBatch:
        """Loss of rows of a step's batch, with gradient."""

    @abstractmethod
    def held_out_loss(self, rows: range) -> float:
        """Loss of the averaged weights on held-out rows with fixed noise."""

    @property
    @abstractmethod
    def held_out_rows(self) -> int:
        """How many held-out rows the validation loss is over."""

    @abstractmethod
    def export(self, folder: Path) -> None:
        """Write the averaged model as a folder that `probekit sample` and diffusers open, weights in bf16."""

    def training_step(self, step: int) -> dict[str, float]:
        """Do one optimizer step.

        Raises:
            NonFiniteTraining: if the loss or the gradient norm is not finite; no weight has been changed.
        """
        config = self._run
        rate = set_learning_rate(self.optimizer, config.optimizer, step, self._total_steps)
        auxiliary = self.auxiliary if self.auxiliary is not None and self.auxiliary.active(step) else None
        logged = update(
            self.model,
            self.optimizer,
            self.shares(step),
            lambda rows: self._passes(step, rows),
            clip_norm=config.optimizer.clip_norm,
            names=UpdateNames(step, config.seed),
            world=self.world,
            other_norm=auxiliary.clip_gradients if auxiliary else None,
        )
        if auxiliary is not None:
            logged |= self.world.mean(auxiliary.update())
        self.ema.update(self.model)
        return logged | {"learning_rate": rate}

    def tokens(self, step: int) -> int:
        """Tokens of the whole batch of a step."""
        return token_count(self.model, self.batch_shape(step))

    def _passes(self, step: int, rows: range) -> MicroBatch:
        with autocast(self.world, self._run.scale):
            return self.micro_batch(step, rows)

    @torch.no_grad()
    def validation_loss(self) -> float:
        """Mean held-out loss; every process takes its share."""
        size = len(self.shares(self._total_steps - 1)[0])
        with autocast(self.world, self._run.scale):
            losses = [self.held_out_loss(rows) for rows in self.world.evaluation_batches(self.held_out_rows, size)]
        return self.world.mean({"loss": sum(losses) / len(losses)})["loss"]

    def training_state(self) -> TrainingState:
        """Everything that the next step depends on."""
        state = self._trained.state()
        return state if self.auxiliary is None else state | self.auxiliary.training_state()
