"""Writing animated GIFs with Pillow, for pages that show no video."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from probekit.atomic_files import atomic_path

_HUNDREDTHS = 100
_LEAST_DELAY = 2
"""Hundredths of a second; browsers slow shorter ones down."""


def write_gif(path: Path, frames: NDArray[np.uint8], fps: float) -> None:
    """Write an animation atomically; it repeats for ever, and equal frames give equal bytes.

    A GIF counts time in hundredths of a second, so delays are rounded such that their sum keeps the rate.

    Args:
        path: target.
        frames: (T, H, W, 3) uint8 RGB, T >= 1; each is reduced to 256 colours of its own.
        fps: frames per second, at most 50.

    Raises:
        ValueError: ``frames`` or ``fps`` are not as described.
        UserError: the target cannot be written.
    """
    from PIL import Image

    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3 or not len(frames):
        raise ValueError(f"frames must be uint8 (T, H, W, 3) with T >= 1, not {frames.dtype} {frames.shape}")
    if not 0 < fps <= _HUNDREDTHS / _LEAST_DELAY:
        raise ValueError(f"fps must be above 0 and at most {_HUNDREDTHS // _LEAST_DELAY}, not {fps}")
    ends = np.rint(np.arange(len(frames) + 1) * _HUNDREDTHS / fps).astype(int)
    delays = [10 * int(delay) for delay in np.diff(ends)]  # Pillow counts in milliseconds
    first, *others = [Image.fromarray(frame).quantize(256) for frame in frames]
    with atomic_path(path) as temporary:
        first.save(temporary, format="GIF", save_all=True, append_images=others, duration=delays, loop=0)
