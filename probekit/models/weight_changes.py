"""How far training moved a model's weights, block by block: of how many the stored number changed, and how far."""

from collections.abc import Mapping
from typing import Final, NamedTuple

import torch
from torch import Tensor

from probekit.errors import UserError


class WeightChange(NamedTuple):
    """One part of a model before and after.

    Attributes:
        part: name, e.g. `blocks.0`; `whole model` for all of them.
        entries: single weights in it.
        moved: share in [0, 1] of them whose stored number differs.
        relative: Frobenius norm of the difference divided by that of the weights before.
    """

    part: str
    entries: int
    moved: float
    relative: float


WHOLE: Final = "whole model"


def weight_changes(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> list[WeightChange]:
    """Changes of each part, in the order of its first tensor, then of the whole model.

    Weights are held against each other in the coarser of both number formats: what it cannot hold has not moved.

    Args:
        before: weights by name.
        after: the same weights after training.

    Raises:
        UserError: if names or shapes differ, naming one, or a part has no weights but zeros before.
    """
    _refuse_others(before, after)
    sums: dict[str, Tensor] = {}
    for name, old in before.items():
        new = after[name]
        coarser = min(old.dtype, new.dtype, key=lambda dtype: dtype.itemsize)
        old, new = old.to(coarser), new.to(coarser)
        difference = new.double() - old.double()
        own = [
            old.numel(),
            (new != old).sum().item(),
            difference.square().sum().item(),
            old.double().square().sum().item(),
        ]
        for part in (_part(name), WHOLE):
            sums[part] = sums.get(part, torch.zeros(4, dtype=torch.float64)) + torch.tensor(own, dtype=torch.float64)
    return [_change(part, sums[part]) for part in [*(part for part in sums if part != WHOLE), WHOLE]]


def _part(name: str) -> str:
    """The block of a weight, or the module outside of the blocks."""
    first, *rest = name.split(".")
    return f"{first}.{rest[0]}" if first == "blocks" else first


def _change(part: str, sums: Tensor) -> WeightChange:
    entries, moved, difference, size = map(float, sums)
    if size == 0:
        raise UserError(f"All weights of {part} are 0 before training.", "Give a model with weights in every part.")
    return WeightChange(part, int(entries), moved / entries, (difference / size) ** 0.5)


def _refuse_others(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> None:
    fix = "Give two models of one configuration."
    for name in sorted(before.keys() ^ after.keys()):
        raise UserError(f"Only one of the two models has weights named {name!r}.", fix)
    for name, old in before.items():
        if old.shape != after[name].shape:
            raise UserError(f"{name} has shape {tuple(old.shape)} before and {tuple(after[name].shape)} after.", fix)
