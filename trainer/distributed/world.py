"""The processes of a run, as torchrun starts them; a run without torchrun is a world of one."""

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed

from probekit.errors import UserError
from trainer.distributed.failure import FailuresShared


@dataclass(frozen=True)
class World:
    """One process of a run.

    Attributes:
        rank: number of this process.
        size: how many there are.
        device: device that this process computes on.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = torch.device("cpu")  # noqa: RUF009 (immutable)

    @property
    def main(self) -> bool:
        """Whether this process writes logs and exports."""
        return self.rank == 0

    @property
    def shared(self) -> bool:
        """Whether there are other processes."""
        return self.size > 1

    def micro_batches(self, batch_size: int, accumulation: int) -> list[range]:
        """Rows of the whole batch that are this process's, one range for each micro-batch.

        Raises:
            UserError: if the batch cannot be shared out evenly.
        """
        micro, rest = divmod(batch_size, self.size * accumulation)
        if rest or not micro:
            raise UserError(
                f"batch_size: {batch_size} cannot be shared by {self.size} processes and "
                f"{accumulation} micro-batches each.",
                f"Use a multiple of {self.size * accumulation}.",
            )
        first = self.rank * micro * accumulation
        return [range(first + i * micro, first + (i + 1) * micro) for i in range(accumulation)]

    def evaluation_batches(self, count: int, size: int) -> list[range]:
        """Held-out rows of this process, at most `size` at a time; as many batches in every process."""
        own = math.ceil(count / self.size)
        last = (self.rank + 1) * own
        return [range(first, min(first + size, last)) for first in range(self.rank * own, last, size)]

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process."""
        if not self.shared:
            return flag
        votes = torch.tensor(int(flag), device=self.device)
        distributed.all_reduce(votes, op=distributed.ReduceOp.MAX)
        return bool(votes)

    def mean(self, values: Mapping[str, float]) -> dict[str, float]:
        """Means over the processes; every process gives the same keys."""
        if not self.shared:
            return dict(values)
        totals = torch.tensor(list(values.values()), dtype=torch.float64, device=self.device)
        distributed.all_reduce(totals)
        return dict(zip(values, (totals / self.size).tolist(), strict=True))

    def gather(self, value: Any) -> list[Any]:
        """What every process gives, by rank."""
        if not self.shared:
            return [value]
        gathered: list[Any] = [None] * self.size
        distributed.all_gather_object(gathered, value)
        return gathered

    def wait(self) -> None:
        """Wait for all processes."""
        if self.shared:
            distributed.barrier()


SINGLE = World()
"""A run of one process on the CPU."""


def local_device() -> torch.device:
    """This process's GPU, or the CPU where there is none."""
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
    return torch.device("cpu")


@contextmanager
def joined_world() -> Iterator[World]:
    """Join the processes that torchrun started and leave them at the end; alone without torchrun."""
    device = local_device()
    if "WORLD_SIZE" not in os.environ:
        yield World(device=device)
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    distributed.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    rank = distributed.get_rank()
    with FailuresShared(rank):
        yield World(rank, distributed.get_world_size(), device)
    distributed.destroy_process_group()  # not after an error: the others may never come to it
