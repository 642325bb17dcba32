"""What a video's pixels say, frame by frame, in one pass: brightness, contrast, colour, sharpness, change, flicker."""

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.media.video_files import iter_frames

Floats = NDArray[np.float64]

LUMA: Final = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""ITU-R BT.601 weights of red, green, blue."""
BLOCKS: Final = 32
"""Blocks along the longer side of a frame."""


class Quantity(NamedTuple):
    """A curve's name and what it measures."""

    name: str
    unit: str
    meaning: str


QUANTITIES: Final = (
    Quantity("temporal_flickering", "fraction", "1 - pixel_change / 255: VBench's dimension, second by second"),
    Quantity("pixel_change", "grey levels", "mean |f(t+1) - f(t)| over pixels and channels"),
    Quantity(
        "flicker", "grey levels", "mean |m(t) - (m(t-1) + m(t+1)) / 2| over blocks of luma: change that goes back"
    ),
    Quantity("brightness", "grey levels", "mean luma (BT.601)"),
    Quantity("contrast", "grey levels", "standard deviation of luma"),
    Quantity("saturation", "grey levels", "mean of largest minus smallest channel"),
    Quantity("red", "grey levels", "mean of the channel"),
    Quantity("green", "grey levels", "mean of the channel"),
    Quantity("blue", "grey levels", "mean of the channel"),
    Quantity("sharpness", "grey levels", "standard deviation of luma's Laplacian (4 neighbours)"),
)
"""The weight-free quantities, in the order of every table."""


class FrameStatistics(NamedTuple):
    """A video's curves. T frames; changes belong to pairs of neighbours, flicker to frames with two neighbours.

    Attributes:
        fps: frames per second.
        curves: curves by name of `QUANTITIES`: (T,), or (T-1,) for changes, or (T-2,) for flicker.
        largest_change: (T-1,) largest change of any block mean in any channel, in grey levels.
        blocks: (T, h, w, 3) float32 block means, 0..255.
    """

    fps: float
    curves: dict[str, Floats]
    largest_change: Floats
    blocks: NDArray[np.float32]


def video_statistics(path: Path, fps: float) -> FrameStatistics:
    """Read a video frame by frame, so that its length costs no memory but its block means.

    Raises:
        UserError: the video cannot be read, or has fewer than three frames.
    """
    return frame_statistics(iter_frames(path), fps, str(path))


def frame_statistics(frames: Iterable[NDArray[np.uint8]], fps: float, source: str = "The video") -> FrameStatistics:
    """Measure frames uint8 (H, W, 3), RGB.

    Raises:
        UserError: there are fewer than three.
    """
    rows: list[tuple[float, ...]] = []
    blocks: list[NDArray[np.float32]] = []
    changes: list[float] = []
    former: NDArray[np.uint8] | None = None
    for frame in frames:
        rows.append(_still_row(frame))
        blocks.append(block_means(frame))
        if former is not None:
            changes.append(_mean_change(former, frame))
        former = frame
    if len(rows) < 3:
        raise UserError(f"{source} has {len(rows)} frames.", "Diagnostics need three or more.")
    return _assembled(fps, np.array(rows), np.array(changes), np.stack(blocks))


def block_means(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Means (h, w, 3) over square blocks, at most `BLOCKS` along the longer side; edge blocks may be smaller."""
    side = -(-max(frame.shape[:2]) // BLOCKS)
    if side == 1:
        return frame.astype(np.float32)
    rows, columns = (np.arange(0, size, side) for size in frame.shape[:2])
    sums = np.add.reduceat(np.add.reduceat(frame, rows, axis=0, dtype=np.float32), columns, axis=1)
    heights, widths = (np.diff([*starts, size]) for starts, size in zip((rows, columns), frame.shape[:2], strict=True))
    areas: Floats = np.outer(heights, widths)
    means: NDArray[np.float32] = (sums / areas[..., None]).astype(np.float32)
    return means


def _still_row(frame: NDArray[np.uint8]) -> tuple[float, ...]:
    """Brightness, contrast, saturation, red, green, blue, sharpness."""
    luma: NDArray[Any] = frame @ LUMA
    laplacian = luma[1:-1, :-2] + luma[1:-1, 2:] + luma[:-2, 1:-1] + luma[2:, 1:-1] - 4.0 * luma[1:-1, 1:-1]
    spread = np.maximum(np.maximum(frame[..., 0], frame[..., 1]), frame[..., 2])
    spread = spread - np.minimum(np.minimum(frame[..., 0], frame[..., 1]), frame[..., 2])
    colors = frame.reshape(-1, 3).mean(axis=0)
    sharpness = float(laplacian.std()) if laplacian.size else 0.0
    return (float(luma.mean()), float(luma.std()), float(spread.mean()), *map(float, colors), sharpness)


def _mean_change(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    # Largest minus smallest stays within uint8.
    return float((np.maximum(a, b) - np.minimum(a, b)).mean())


def _assembled(fps: float, rows: Floats, changes: Floats, blocks: NDArray[np.float32]) -> FrameStatistics:
    luma = blocks @ LUMA
    flicker = np.array([np.abs(b - (a + c) / 2).mean() for a, b, c in zip(luma, luma[1:], luma[2:], strict=False)])
    still = ("brightness", "contrast", "saturation", "red", "green", "blue", "sharpness")
    curves = {name: rows[:, column] for column, name in enumerate(still)}
    curves |= {"temporal_flickering": 1.0 - changes / 255.0, "pixel_change": changes, "flicker": flicker}
    largest = np.array([np.abs(b - a).max() for a, b in pairwise(blocks)], dtype=np.float64)
    return FrameStatistics(fps, {quantity.name: curves[quantity.name] for quantity in QUANTITIES}, largest, blocks)
