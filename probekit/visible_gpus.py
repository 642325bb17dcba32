"""One GPU per process, settled by the environment before CUDA starts. Torch-free."""

import os
from pathlib import Path
from typing import Final

VISIBLE_GPUS: Final = "CUDA_VISIBLE_DEVICES"

_GPU_FOLDER: Final = Path("/proc/driver/nvidia/gpus")


def gpu_of(slot: int) -> str | None:
    """The GPU of a worker, as CUDA_VISIBLE_DEVICES names it: workers take turns. None where there is no GPU."""
    named = os.environ.get(VISIBLE_GPUS)
    if named is not None:
        devices = [name.strip() for name in named.split(",") if name.strip()]
    else:
        devices = [str(index) for index, _ in enumerate(_GPU_FOLDER.glob("*"))]
    return devices[slot % len(devices)] if devices else None


def take_own_gpu() -> None:
    """Under torchrun, let this process see the GPU of its local rank alone; to be called before torch is imported."""
    rank = os.environ.get("LOCAL_RANK")
    gpu = None if rank is None else gpu_of(int(rank))
    if gpu is not None:
        os.environ[VISIBLE_GPUS] = gpu
