"""Exponential moving average of weights."""

import copy
from typing import Generic, TypeVar

import torch
from torch import nn

from trainer.distributed.sharding import own_part

M = TypeVar("M", bound=nn.Module)


class ExponentialMovingAverage(Generic[M]):
    """Averages a model's parameters; buffers are copied.

    Args:
        model: model whose weights are averaged, before it is sharded; the average starts as its copy.
        decay: asymptotic decay. After n updates the decay in force is min(decay, (1 + n) / (10 + n)), so that the
            random initial weights are forgotten at once.
    """

    def __init__(self, model: M, decay: float) -> None:
        self.model: M = copy.deepcopy(model).eval().requires_grad_(False)
        self._decay = decay
        self.updates = torch.zeros((), dtype=torch.int64)

    @torch.no_grad()
    def update(self, model: M) -> None:
        """Move the average towards the model's current weights."""
        decay = min(self._decay, (1 + int(self.updates)) / (10 + int(self.updates)))
        averaged = [own_part(parameter.data) for parameter in self.model.parameters()]
        torch._foreach_lerp_(averaged, [own_part(parameter.data) for parameter in model.parameters()], 1 - decay)
        for own, other in zip(self.model.buffers(), model.buffers(), strict=True):
            own.copy_(other)
        self.updates += 1
