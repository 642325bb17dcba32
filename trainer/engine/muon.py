"""Muon for the matrices of transformer blocks, AdamW for everything else, in one optimizer."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer
from torch.optim.adamw import adamw

_QUINTIC: Final = (3.4445, -4.7750, 2.0315)
_ITERATIONS: Final = 5
_RMS: Final = 0.2
"""Root mean square of an update before the rate, so that a rate that suits AdamW suits Muon (Liu et al. 2025, 2.2)."""
_EPSILON: Final = 1e-7


def orthogonalized(matrices: Tensor) -> Tensor:
    """Matrices with the same singular vectors and singular values of about one, by Newton-Schulz iteration.

    After Jordan et al. 2024, in the precision of the input: `torch.optim.Muon` iterates in bf16, which is slow on a
    processor without instructions for it.

    Args:
        matrices: (..., R, C), any scale.

    Returns:
        (..., R, C), singular values between 0.6 and 1.25 where those of the input are over 4 % of its norm. Smaller
        ones stay smaller, and zero matrices zero.
    """
    wide = matrices if matrices.shape[-2] <= matrices.shape[-1] else matrices.mT
    wide = wide / wide.norm(dim=(-2, -1), keepdim=True).clamp(min=_EPSILON)
    a, b, c = _QUINTIC
    for _ in range(_ITERATIONS):
        gram = wide @ wide.mT
        wide = a * wide + (b * gram + c * gram @ gram) @ wide
    found: Tensor = wide if matrices.shape[-2] <= matrices.shape[-1] else wide.mT
    return found


class Muon(Optimizer):
    """Nesterov momentum, orthogonalized, for some matrices; AdamW for the other parameters.

    The first as `torch.optim.Muon` with rates that match AdamW's, but for the precision. Sharded matrices are gathered,
    since their singular values are those of the whole.

    Args:
        matrices: weights (R, C) that Muon updates.
        decayed: other weights, updated by AdamW with weight decay.
        others: biases, norms and tables, updated by AdamW without.
        learning_rate: rate of all of them.
        betas: decay rates of AdamW's moments.
        weight_decay: decoupled decay of the first two, relative to the rate.
        momentum: decay rate of Muon's mean of gradients.
    """

    def __init__(
        self,
        matrices: Sequence[nn.Parameter],
        decayed: Sequence[nn.Parameter],
        others: Sequence[nn.Parameter],
        *,
        learning_rate: float,
        betas: tuple[float, float],
        weight_decay: float,
        momentum: float = 0.95,
    ) -> None:
        groups = [
            {"params": list(matrices), "weight_decay": weight_decay, "orthogonal": True},
            {"params": list(decayed), "weight_decay": weight_decay, "orthogonal": False},
            {"params": list(others), "weight_decay": 0.0, "orthogonal": False},
        ]
        super().__init__(groups, {"lr": learning_rate, "betas": betas, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient.

        Raises:
            NotImplementedError: A closure was given.
        """
        if closure is not None:
            raise NotImplementedError("Muon takes gradients, not a closure that works them out.")
        for group in self.param_groups:
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            (self._step_muon if group["orthogonal"] else self._step_adamw)(parameters, group)

    def _step_muon(self, parameters: Sequence[Tensor], group: dict[str, Any]) -> None:
        by_shape: dict[torch.Size, list[Tensor]] = defaultdict(list)
        for parameter in parameters:
            by_shape[parameter.shape].append(parameter)
        for shape, alike in by_shape.items():
            directions = torch.stack([_whole(self._direction(parameter, group["momentum"])) for parameter in alike])
            size = group["lr"] * _RMS * max(shape) ** 0.5
            for parameter, update in zip(alike, orthogonalized(directions), strict=True):
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.sub_(_shared_as(update, parameter), alpha=size)

    def _direction(self, parameter: Tensor, momentum: float) -> Tensor:
        gradient, state = parameter.grad, self.state[parameter]
        assert gradient is not None
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        mean: Tensor = state["momentum_buffer"].lerp_(gradient, 1 - momentum)
        return gradient.lerp(mean, momentum)

    def _step_adamw(self, parameters: Sequence[Tensor], group: dict[str, Any]) -> None:
        for parameter in parameters:
            if not self.state[parameter]:
                zeros = {name: torch.zeros_like(parameter) for name in ("exp_avg", "exp_avg_sq")}
                self.state[parameter].update(zeros, step=torch.zeros(()))
        states = [self.state[parameter] for parameter in parameters]
        adamw(
            list(parameters),
            [parameter.grad for parameter in parameters if parameter.grad is not None],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=1e-8,
            maximize=False,
        )


def _whole(tensor: Tensor) -> Tensor:
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def _shared_as(whole: Tensor, like: Tensor) -> Tensor:
    return distribute_tensor(whole, like.device_mesh, like.placements) if isinstance(like, DTensor) else whole
