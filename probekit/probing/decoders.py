"""The probe's decoder, in one place: small MLPs from states to targets, many fitted at once.

Two readings of "a small MLP decoder" (arXiv 2606.03971, future-frame probes). ``chunk``: one MLP on the whole chunk,
whose tokens are projected on the principal components of the training states. ``token``: one MLP for all positions,
from the chunk's tokens at a position to the patch of pixels that the position covers. Both have two hidden layers and
GELU.

Decoders of one site differ in their goal, their seed and their learning rate alone. They see the same batches, so their
products are batched: the weights of E decoders are one tensor (E, inputs, outputs).
"""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from probekit.probing.probe_settings import DecoderBudget
from probekit.seeding import counter_seed
from probekit.threads import one_thread

_SMALL_BATCH: Final = 256
_ROWS_AT_ONCE: Final = 4096
"""Rows that are read at once after a fit: bounds memory."""


class Goals(NamedTuple):
    """What G decoders are fitted to, for M rows.

    Attributes:
        values: (G, M, P) float32; what is masked may be anything finite.
        known: (G, M) whether a row counts for a goal.
        classes: whether the values are one index each and the decoders give log-odds of that many classes.
    """

    values: Tensor
    known: Tensor
    classes: int = 0

    @property
    def outputs(self) -> int:
        """Numbers that a decoder gives out."""
        return self.classes or self.values.shape[2]


class Fitted(NamedTuple):
    """What G·S decoders read out of the held-out rows.

    Attributes:
        readouts: (G, S, K, outputs).
        validation: (G, S) least validation error.
        learning_rates: (G, S) chosen rates.
        steps: (G, S) steps after which the kept weights were reached.
        stack: the G·S decoders themselves, those of a goal side by side.
    """

    readouts: Tensor
    validation: Tensor
    learning_rates: Tensor
    steps: Tensor
    stack: "DecoderStack"


class DecoderStack(nn.Module):
    """E two-layer MLPs of one shape, as one module; each has its own seeded weights.

    Args:
        inputs: numbers that a decoder reads.
        width: hidden units.
        outputs: numbers that it gives.
        seeds: seed of each decoder; equal seeds give equal weights.
    """

    def __init__(self, inputs: int, width: int, outputs: int, seeds: Sequence[int]) -> None:
        super().__init__()
        sizes = ((inputs, width), (width, width), (width, outputs))
        layers = {seed: [_linear(*size, seed, depth) for depth, size in enumerate(sizes)] for seed in set(seeds)}
        stacked = [
            [torch.stack([layers[seed][depth][part] for seed in seeds]) for part in (0, 1)] for depth in range(3)
        ]
        self.weights = nn.ParameterList([nn.Parameter(weight) for weight, _ in stacked])
        self.biases = nn.ParameterList([nn.Parameter(bias[:, None]) for _, bias in stacked])

    @classmethod
    def of(cls, parameters: Sequence[Tensor]) -> "DecoderStack":
        """Decoders of given parameters, in their order: three weights (E, in, out), then three biases (E, 1, out)."""
        weights, biases = parameters[:3], parameters[3:]
        stack = cls(weights[0].shape[1], weights[0].shape[2], weights[2].shape[2], [0] * len(weights[0]))
        with torch.no_grad():
            for own, given in zip(stack.parameters(), (*weights, *biases), strict=True):
                own.copy_(given)
        return stack.requires_grad_(False)

    def forward(self, rows: Tensor) -> Tensor:
        """(E, b, inputs), or (b, inputs) that all read, to (E, b, outputs)."""
        hidden = rows.expand(len(self.weights[0]), -1, -1) if rows.dim() == 2 else rows
        for depth, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            hidden = torch.baddbmm(bias, hidden, weight)
            hidden = F.gelu(hidden) if depth < 2 else hidden
        return hidden


def _linear(inputs: int, outputs: int, seed: int, depth: int) -> tuple[Tensor, Tensor]:
    """Weight (inputs, outputs) and bias as `nn.Linear` draws them, from a named seed."""
    rng = torch.Generator().manual_seed(counter_seed("probe-weights", seed, depth, inputs, outputs) % 2**63)
    bound = inputs**-0.5
    weight = torch.empty(inputs, outputs).uniform_(-bound, bound, generator=rng)
    return weight, torch.empty(outputs).uniform_(-bound, bound, generator=rng)


def errors(predicted: Tensor, goals: Tensor, known: Tensor, classes: int) -> Tensor:
    """Mean error (E,) of decoders over the rows that count: squared error per number, or cross entropy.

    Args:
        predicted: (E, b, outputs).
        goals: (E, b, P).
        known: (E, b).
        classes: number of classes, 0 for numbers.
    """
    if classes:
        rows = F.cross_entropy(predicted.flatten(0, 1), goals[..., 0].long().flatten(), reduction="none")
        each = rows.view(known.shape)
    else:
        each = (predicted - goals).square().mean(dim=2)
    return (each * known).sum(dim=1) / known.sum(dim=1).clamp_min(1)


class _Best:
    """The weights of each decoder at its least validation error."""

    def __init__(self, stack: DecoderStack, patience: int) -> None:
        count = len(stack.weights[0])
        self.error = torch.full((count,), torch.inf)
        self.step = torch.zeros(count, dtype=torch.long)
        self._since = torch.zeros(count, dtype=torch.long)
        self._patience = patience
        self._kept = [parameter.detach().clone() for parameter in stack.parameters()]

    def see(self, stack: DecoderStack, error: Tensor, step: int) -> bool:
        """Keep what is better; whether any decoder may still improve."""
        active = self._since < self._patience
        better = active & (error < self.error)
        self.error = torch.where(better, error, self.error)
        self.step[better] = step
        self._since = torch.where(better, 0, self._since + 1)
        for kept, parameter in zip(self._kept, stack.parameters(), strict=True):
            kept[better] = parameter.detach()[better]
        return bool((self._since < self._patience).any())

    def restore(self, stack: DecoderStack) -> None:
        """Give every decoder its best weights."""
        with torch.no_grad():
            for kept, parameter in zip(self._kept, stack.parameters(), strict=True):
                parameter.copy_(kept)


def fit_decoders(
    train: Tensor, train_goals: Goals, validation: Tensor, validation_goals: Goals, test: Tensor, budget: DecoderBudget
) -> Fitted:
    """Fit G goals x S seeds x L learning rates at once; of the rates the best on validation rows is kept.

    Args:
        train: (M, D) inputs, standardised.
        train_goals: (G, M, P).
        validation: (K', D).
        validation_goals: (G, K', P).
        test: (K, D).
        budget: the same for every decoder.

    Steps of few rows are so small that they run on one thread.

    Returns:
        Readouts of the test rows; log-odds for classes.
    """
    with one_thread() if budget.batch <= _SMALL_BATCH else nullcontext():
        return _fit(train, train_goals, validation, validation_goals, test, budget)


def _fit(
    train: Tensor, train_goals: Goals, validation: Tensor, validation_goals: Goals, test: Tensor, budget: DecoderBudget
) -> Fitted:
    goals, seeds, rates = len(train_goals.values), budget.seeds, budget.learning_rates
    stacks = [
        DecoderStack(train.shape[1], budget.width, train_goals.outputs, [seed for _ in range(goals) for seed in seeds])
        for _ in rates
    ]
    groups = [{"params": list(stack.parameters()), "lr": rate} for stack, rate in zip(stacks, rates, strict=True)]
    optimizer = torch.optim.AdamW(groups, weight_decay=budget.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, budget.steps)
    best = [_Best(stack, budget.patience) for stack in stacks]
    batches = [_row_batches(len(train), budget.batch, seed) for seed in seeds]
    for step in range(1, budget.steps + 1):
        rows = torch.stack([next(batch) for batch in batches])
        batch = _batch(train, train_goals, rows)
        optimizer.zero_grad()
        losses = [errors(stack(batch.inputs), batch.values, batch.known, train_goals.classes).sum() for stack in stacks]
        torch.stack(losses).sum().backward()
        optimizer.step()
        schedule.step()
        if step % budget.validate_every and step < budget.steps:
            continue
        going = [
            one.see(stack, _validated(stack, validation, validation_goals, len(seeds)), step)
            for one, stack in zip(best, stacks, strict=True)
        ]
        if not any(going):
            break
    return _chosen(stacks, best, test, budget, goals)


def _row_batches(rows: int, batch: int, seed: int) -> Iterator[Tensor]:
    """Batches of row numbers without end; every row comes once before any comes again."""
    rng = torch.Generator().manual_seed(counter_seed("probe-batches", seed) % 2**63)
    waiting = torch.randperm(rows, generator=rng)
    while True:
        while len(waiting) < batch:
            waiting = torch.cat([waiting, torch.randperm(rows, generator=rng)])
        yield waiting[:batch]
        waiting = waiting[batch:]


class _Batch(NamedTuple):
    """A step of G·S decoders: inputs (G·S, b, D), values (G·S, b, P) and which of them count (G·S, b)."""

    inputs: Tensor
    values: Tensor
    known: Tensor


def _batch(inputs: Tensor, goals: Goals, rows: Tensor) -> _Batch:
    """The step that all learning rates share, from the rows (S, b) of each seed."""
    read = inputs[rows].repeat(len(goals.values), 1, 1)
    return _Batch(read, goals.values[:, rows].flatten(0, 1), goals.known[:, rows].flatten(0, 1))


@torch.no_grad()
def _validated(stack: DecoderStack, inputs: Tensor, goals: Goals, seeds: int) -> Tensor:
    wanted, known = (part.repeat_interleave(seeds, dim=0) for part in (goals.values, goals.known))
    total = torch.zeros(len(wanted))
    for first in range(0, len(inputs), _ROWS_AT_ONCE):
        part = slice(first, first + _ROWS_AT_ONCE)
        seen = known[:, part].sum(dim=1)
        total += errors(stack(inputs[part]), wanted[:, part], known[:, part], goals.classes) * seen
    return total / known.sum(dim=1).clamp_min(1)


@torch.no_grad()
def _chosen(
    stacks: Sequence[DecoderStack], best: Sequence[_Best], test: Tensor, budget: DecoderBudget, goals: int
) -> Fitted:
    for one, stack in zip(best, stacks, strict=True):
        one.restore(stack)
    error = torch.stack([one.error for one in best])
    rate = error.argmin(dim=0)
    decoders = torch.arange(error.shape[1])
    read = torch.stack([torch.cat([stack(part) for part in test.split(_ROWS_AT_ONCE)], dim=1) for stack in stacks])
    shape = (goals, len(budget.seeds))
    kept = [torch.stack(each)[rate, decoders] for each in zip(*(stack.parameters() for stack in stacks), strict=True)]
    return Fitted(
        read[rate, decoders].unflatten(0, shape),
        error[rate, decoders].view(shape),
        torch.tensor(budget.learning_rates)[rate].view(shape),
        torch.stack([one.step for one in best])[rate, decoders].view(shape),
        DecoderStack.of(kept),
    )
