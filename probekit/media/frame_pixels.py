"""Pixels of decoded frames, as players show them."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import av
    from av.video.reformatter import VideoReformatter

QUARTER_TURN: Final = 90
"""Degrees that a file can say its frames are turned by, times 1 to 3."""


def pixel_reader() -> "Callable[[av.VideoFrame], NDArray[np.uint8]]":
    """A function from a frame to its pixels (H, W, 3) as players show them; for one thread.

    Bicubic: for more than 8 bits the nearest to what OpenCV gives. The frames of a file share one converter of one
    thread. A frame's own starts threads of its own, which takes 20 to 40 times as long for a small picture.
    """
    from av.video.reformatter import VideoReformatter

    return partial(_upright_pixels, VideoReformatter())


def _upright_pixels(converter: "VideoReformatter", frame: "av.VideoFrame") -> NDArray[np.uint8]:
    converted = converter.reformat(frame, format="rgb24", interpolation="BICUBIC", threads=1)
    pixels = converted.to_ndarray().astype(np.uint8, copy=False)
    return np.ascontiguousarray(np.rot90(pixels, frame.rotation // QUARTER_TURN)) if frame.rotation else pixels
