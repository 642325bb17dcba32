"""What a step took: seconds, seconds of processors, tokens per second, the peak of memory."""

import resource
import sys
import time

import torch

from trainer.distributed.world import World

_MIB = 2**20


class StepCosts:
    """Measures from its making on.

    Args:
        world: processes of the run; on a GPU the peak is that of the step, on a CPU that of the process so far.
        tokens: tokens that a step works on, over all processes.
    """

    def __init__(self, world: World, tokens: int) -> None:
        self._world = world
        self._tokens = tokens
        self._started = time.perf_counter()
        self._worked = time.process_time()
        if world.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(world.device)

    def values(self) -> dict[str, float]:
        """Seconds, those of all cores of this process together, tokens per second, and peak memory in MiB.

        Seconds of cores do not grow where other work shares the machine, as seconds do.
        """
        if self._world.device.type == "cuda":
            torch.cuda.synchronize(self._world.device)
            peak = torch.cuda.max_memory_allocated(self._world.device) / _MIB
        else:
            unit = 1 if sys.platform == "darwin" else 1024
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / _MIB
        seconds = time.perf_counter() - self._started
        return {
            "seconds": seconds,
            "processor_seconds": time.process_time() - self._worked,
            "tokens_per_second": self._tokens / seconds,
            "peak_memory_mib": peak,
        }
