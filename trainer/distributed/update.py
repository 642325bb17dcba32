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
        prompts: prompts of its videos, for the error message.
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
        model: model whose optimizer steps.
        optimizer: optimizer of the model.
        shares: rows of each micro-batch of this process.
        loss_of: function from rows to their loss.
        clip_norm: largest norm of the gradient.
        names: names of the update.
        world: processes of the run.
        other_norm: gradient norm of something trained by the same losses, which must be finite too.

    Returns:
        Means of what was logged over micro-batches and processes, and `gradient_norm` before clipping.

    Raises:
        NonFiniteTraining: on every process, if a loss or norm of any is not finite; no weight has been changed.
    """
    optimizer.zero_grad()
    losses: list[float] = []
    logged: list[dict[str, float]] = []
    prompts: list[Sequence[str]] = []
    for number, rows in enumerate(shares, start=1):
        synchronise_gradients(model, number == len(shares))
        micro = loss_of(rows)
        (micro.loss / len(shares)).backward()
        losses.append(float(micro.loss.detach()))
        logged.append(dict(micro.logged))
        prompts.append(micro.prompts)
    norm = gradient_norm(model, clip_norm)
    other = other_norm() if other_norm else 0.0
    check_finite(world, names, losses, [norm, other], prompts)
    optimizer.step()
    means = {name: sum(values[name] for values in logged) / len(logged) for name in logged[0]}
    return world.mean(means) | {"gradient_norm": norm}


def check_finite(
    world: World,
    names: UpdateNames,
    losses: Sequence[float],
    norms: Sequence[float],
    prompts: Sequence[Sequence[str]],
) -> None:
    """Agree on whether any process's losses or norms are not finite.

    Args:
        world: processes of the run.
        names: names of the update.
        losses: losses of this process's micro-batches.
        norms: norms of gradients.
        prompts: prompts of each micro-batch.

    Raises:
        NonFiniteTraining: on every process, with the prompts of the micro-batches whose loss is not finite, wherever
            they are; with all prompts if only a gradient is not.
    """
    if not world.any(not all(map(math.isfinite, [*losses, *norms]))):
        return
    micro_batches = list(zip(losses, map(list, prompts), strict=True))
    reports = [micro for process in world.gather(micro_batches) for micro in process]
    concerned = [(loss, texts) for loss, texts in reports if not math.isfinite(loss)] or reports
    norm = max(world.gather(max(norms, key=_badness)), key=_badness)
    named = [text for _, texts in concerned for text in texts]
    raise NonFiniteTraining(names.step, concerned[0][0], norm, names.seed, named)


def _badness(value: float) -> bool:
    return not math.isfinite(value)
