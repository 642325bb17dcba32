"""What most stages train: one model with its moving average and optimizer, placed on the processes of the run."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from torch import nn
from torch.optim import Optimizer

from trainer.config.run import RunConfig
from trainer.distributed.sharding import place
from trainer.distributed.world import World
from trainer.engine.ema import ExponentialMovingAverage
from trainer.engine.optimizers import build_optimizer
from trainer.engine.state import TrainingState

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class AveragedModel(Generic[M]):
    """A model that learns.

    Attributes:
        model: the model.
        ema: its average.
        optimizer: optimizer of its weights.
    """

    model: M
    ema: ExponentialMovingAverage[M]
    optimizer: Optimizer

    @classmethod
    def start(cls, model: M, config: RunConfig, world: World) -> "AveragedModel[M]":
        """Place a model and its average, and make its optimizer."""
        ema = ExponentialMovingAverage(model, config.ema_decay)
        place(model, world, config.scale)
        place(ema.model, world, config.scale.model_copy(update={"activation_checkpointing": False}))
        return cls(model, ema, build_optimizer(model, config.optimizer))

    def state(self) -> TrainingState:
        """Everything that the model's next update depends on."""
        return TrainingState(
            {"model": self.model, "ema": self.ema.model},
            {"optimizer": (self.model, self.optimizer)},
            {"ema_updates": self.ema.updates},
        )
