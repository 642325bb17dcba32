"""One optimizer update from micro-batches on every process."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from torch import Tensor, nn
from torch.optim import Optimizer

from trainer.distributed.sharding import gradient_norm, synchronise_gradients
from trainer.distributed.world import World
from trainer.errors import NonFiniteTraining


class MicroBatch(NamedTuple):
    """What a micro-batch gives.

    Attributes:
        loss: mean over its videos, with gradient.
        logged: numbers to log; `loss` is not added by itself.
        prompts: of its videos, for the error message.
    """

    loss: Tensor
    logged: Mapping[str, float]
    prompts: Sequence[str]


class UpdateNames(NamedTuple):
    """Step and seed of an update, for the error message."""

    step: int
    seed: int


def update(
    model: nn.Module,
    optimizer: Optimizer,
    shares: Sequence[range],
    loss_of: Callable[[range], MicroBatch],
    *,
    clip_norm: float,
    names: UpdateNames,
    world: World,
    other_norm: Callable[[], float] | None = None,
) -> dict[str, float]:
    """Add up the gradients of all micro-batches, check them, clip and step.

    Equal to one update on the whole batch: losses are means, and micro-batches are equally large.

    Args:
        model: whose optimizer steps.
        optimizer: of the model.
        shares: rows of each micro-batch of this process.
        loss_of: from rows to their loss.
        clip_norm: largest norm of the gradient.
        names: of the update.
        world: of the run.
        other_norm: gradient norm of something trained by the same losses, which must be finite too.

    Returns:
        Means of what was logged over micro-batches and processes, and `gradient_norm` before clipping.

    Raises:
        NonFiniteTraining: on every process, if a loss or norm of any is not finite; no weight has been changed.
    """
    optimizer.zero_grad()
    losses: list[float] = []
    logged: list[dict[str, float]] = []
    prompts: list[str] = []
    for number, rows in enumerate(shares, start=1):
        synchronise_gradients(model, number == len(shares))
        micro = loss_of(rows)
        (micro.loss / len(shares)).backward()
        losses.append(float(micro.loss.detach()))
        logged.append(dict(micro.logged))
        prompts.extend(micro.prompts)
    norm = gradient_norm(model, clip_norm)
    other = other_norm() if other_norm else 0.0
    check_finite(world, names, losses, [norm, other], prompts)
    optimizer.step()
    means = {name: sum(values[name] for values in logged) / len(logged) for name in logged[0]}
    return world.mean(means) | {"gradient_norm": norm}


def check_finite(
    world: World, names: UpdateNames, losses: Sequence[float], norms: Sequence[float], prompts: Sequence[str]
) -> None:
    """Agree on whether any process's losses or norms are not finite.

    Raises:
        NonFiniteTraining: on every process, with the losses and prompts of the processes concerned.
    """
    broken = not all(map(math.isfinite, [*losses, *norms]))
    if not world.any(broken):
        return
    reports = [report for report in world.gather((broken, losses, norms, list(prompts))) if report[0]]
    worst = [value for _, found, _, _ in reports for value in found if not math.isfinite(value)]
    norm = max((value for _, _, found, _ in reports for value in found), key=lambda value: not math.isfinite(value))
    concerned = [prompt for *_, found in reports for prompt in found]
    raise NonFiniteTraining(names.step, worst[0] if worst else reports[0][1][0], norm, names.seed, concerned)
