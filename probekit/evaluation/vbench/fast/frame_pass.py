"""One pass over the frames of a video for every network that looks at single frames."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probekit.evaluation.vbench.fast.prefetch import ahead
from probekit.evaluation.vbench.fast.settings import Compatibility

Transform = Callable[[Tensor, Compatibility], Tensor]
Inputs = Mapping[Transform, Tensor]


class FrameReader(NamedTuple):
    """A network of single frames.

    Attributes:
        name: name of what it reads.
        transform: makes its input; readers with the same transform share the input.
        read: inputs (N, 3, h, w) to features (N, C) or (N,).
    """

    name: str
    transform: Transform
    read: Callable[[Tensor], Tensor]


def as_tensor(frames: NDArray[np.uint8], device: torch.device) -> Tensor:
    """Frames (N, H, W, 3) as uint8 (N, 3, H, W) on a device."""
    return torch.from_numpy(np.ascontiguousarray(frames)).to(device, non_blocking=True).permute(0, 3, 1, 2)


def read_frames(
    frames: NDArray[np.uint8],
    readers: Sequence[FrameReader],
    quirks: Compatibility,
    device: torch.device,
    batch: int,
) -> dict[str, Tensor]:
    """Features of every frame by each reader, float32 on the CPU.

    Args:
        frames: (T, H, W, 3) RGB.
        readers: networks.
        quirks: which quirks the transforms keep.
        device: device of the networks.
        batch: frames that are transformed and read together.
    """
    transforms = list(dict.fromkeys(reader.transform for reader in readers))
    batches: dict[str, list[Tensor]] = {reader.name: [] for reader in readers}
    for inputs in ahead(_inputs(frames, transforms, quirks, device, batch)):
        for reader in readers:
            batches[reader.name].append(reader.read(inputs[reader.transform]).float().cpu())
    return {name: torch.cat(parts) for name, parts in batches.items()}


def _inputs(
    frames: NDArray[np.uint8],
    transforms: Sequence[Transform],
    quirks: Compatibility,
    device: torch.device,
    batch: int,
) -> Iterator[Inputs]:
    for start in range(0, len(frames), batch):
        with torch.inference_mode():  # the mode belongs to a thread, and this runs in its own
            pixels = as_tensor(frames[start : start + batch], device).float()  # once for all transforms
            inputs = {transform: transform(pixels, quirks) for transform in transforms}
        yield inputs
