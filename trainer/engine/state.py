"""What a training stage must keep to go on as if it had never stopped."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn
from torch.optim import Optimizer


@dataclass(frozen=True)
class TrainingState:
    """Everything that the next step depends on; tensors are read and written in place.

    Attributes:
        models: trained and averaged models by name.
        optimizers: optimizers by name, each with the model that it trains.
        counters: scalar tensors by name.
    """

    models: Mapping[str, nn.Module]
    optimizers: Mapping[str, tuple[nn.Module, Optimizer]]
    counters: Mapping[str, Tensor] = field(default_factory=dict)

    def __or__(self, other: "TrainingState") -> "TrainingState":
        """Both states; names must differ."""
        return TrainingState(
            {**self.models, **other.models},
            {**self.optimizers, **other.optimizers},
            {**self.counters, **other.counters},
        )
