"""Exponential moving average of weights."""

import copy
from typing import Any, Generic, TypeVar

import torch
from torch import nn

M = TypeVar("M", bound=nn.Module)


class ExponentialMovingAverage(Generic[M]):
    """Averages a model's parameters; buffers are copied.

    Args:
        model: whose weights are averaged; the average starts as its copy.
        decay: asymptotic decay. After n updates the decay in force is min(decay, (1 + n) / (10 + n)), so that the
            random initial weights are forgotten at once.
    """

    def __init__(self, model: M, decay: float) -> None:
        self.model: M = copy.deepcopy(model).eval().requires_grad_(False)
        self._decay = decay
        self._updates = 0

    @torch.no_grad()
    def update(self, model: M) -> None:
        """Move the average towards the model's current weights."""
        decay = min(self._decay, (1 + self._updates) / (10 + self._updates))
        averaged = [parameter.data for parameter in self.model.parameters()]
        torch._foreach_lerp_(averaged, list(model.parameters()), 1 - decay)
        for own, other in zip(self.model.buffers(), model.buffers(), strict=True):
            own.copy_(other)
        self._updates += 1

    def state_dict(self) -> dict[str, Any]:
        """State for a checkpoint."""
        return {"model": self.model.state_dict(), "updates": self._updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore from `state_dict`."""
        self.model.load_state_dict(state["model"])
        self._updates = state["updates"]
