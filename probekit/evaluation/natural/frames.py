"""Which frames a network reads, and at what size."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

BATCH = 16
"""Frames of a pass."""


def every(seconds: float, fps: float) -> int:
    """Frames from one reading to the next, at least 1."""
    return max(1, round(seconds * fps))


def resized(frames: NDArray[np.uint8], height: int, width: int) -> Tensor:
    """Frames uint8 (N, H, W, 3) as float32 (N, 3, height, width) in 0..255, smoothed where they shrink."""
    images = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float()
    if images.shape[-2:] == (height, width):
        return images
    return functional.interpolate(images, (height, width), mode="bilinear", antialias=True)


def scaled_size(height: int, width: int, longer: int, multiple: int) -> tuple[int, int]:
    """Height and width with the longer side at about `longer` px, both rounded to multiples of some px."""
    scale = longer / max(height, width)
    rounded = [max(multiple, round(side * scale / multiple) * multiple) for side in (height, width)]
    return rounded[0], rounded[1]


def batches(frames: NDArray[np.uint8], size: int = BATCH) -> Iterator[NDArray[np.uint8]]:
    """Frames in order, a few at a time."""
    for start in range(0, len(frames), size):
        yield frames[start : start + size]
