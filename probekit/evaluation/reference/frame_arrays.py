"""The one frame container of reference metrics: uint8 RGB, (T, H, W, 3), 0..255."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from probekit.errors import UserError

Frames = NDArray[np.uint8]
"""Frames uint8 (T, H, W, 3), RGB, 0..255; a single frame is (H, W, 3)."""

Resampling = Literal["bicubic", "bilinear", "lanczos", "box"]


def require_frames(frames: NDArray[Any], name: str) -> None:
    """Refuse anything but uint8 (T, H, W, 3) with at least one frame; floats are never guessed to be 0..1 or -1..1.

    Raises:
        UserError: wrong type, dtype or shape; the message names the array, what was passed and the conversion.
    """
    if not isinstance(frames, np.ndarray):
        raise UserError(f"{name} is a {type(frames).__name__}.", "Pass a numpy array uint8 (T, H, W, 3), 0..255.")
    if frames.dtype != np.uint8:
        raise UserError(f"{name} is {frames.dtype}{_value_range(frames)}, not uint8 in 0..255.", _conversion(frames))
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.size == 0:
        raise UserError(
            f"{name} has shape {frames.shape}, not (T, H, W, 3).",
            "Pass at least one RGB frame, channels last; a single frame goes through compare_frames.",
        )


def _value_range(frames: NDArray[Any]) -> str:
    numeric = np.issubdtype(frames.dtype, np.number) and not np.issubdtype(frames.dtype, np.complexfloating)
    return f" in [{frames.min():g}, {frames.max():g}]" if numeric and frames.size else ""


def _conversion(frames: NDArray[Any]) -> str:
    if np.issubdtype(frames.dtype, np.floating) and frames.size and frames.min() < 0:
        return "Convert floats in [-1, 1] with ((x + 1) * 127.5).round().clip(0, 255).astype(numpy.uint8)."
    if np.issubdtype(frames.dtype, np.floating):
        return "Convert floats in [0, 1] with (x * 255).round().clip(0, 255).astype(numpy.uint8)."
    return "Convert the frames to numpy.uint8 in 0..255."


def match_size(sample: Frames, reference: Frames, resize: Resampling | None) -> Frames:
    """Return `sample` at the height and width of `reference`, resampled frame by frame with Pillow.

    Args:
        sample: uint8 (T, H, W, 3).
        reference: uint8 (T', H', W', 3).
        resize: resampling filter; None refuses different sizes.

    Raises:
        UserError: the sizes differ and `resize` is None.
    """
    height, width = reference.shape[1:3]
    if sample.shape[1:3] == (height, width):
        return sample
    if resize is None:
        raise UserError(
            f"The sample is {sample.shape[2]}x{sample.shape[1]} px, its reference {width}x{height} px.",
            "Compare videos of one size, or pass resize (for example 'bicubic'), which the metric id then records.",
        )
    from PIL import Image

    resampling = Image.Resampling[resize.upper()]
    return np.stack([np.asarray(Image.fromarray(frame).resize((width, height), resampling)) for frame in sample])
