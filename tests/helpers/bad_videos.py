"""Videos as people really have them, made by PyAV: odd, grey, deep, rotated, uneven, silent and broken ones."""

import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray


def write_frames(
    path: Path,
    *,
    n_frames: int = 5,
    height: int = 32,
    width: int = 32,
    pixel_format: str = "yuv420p",
    times: Callable[[int], int] | None = None,
    rotation: int = 0,
) -> NDArray[np.uint8]:
    """Write noise that grows brighter, at 16 frames per second; returns the frames (T, H, W, 3).

    Args:
        path: target.
        n_frames: number of frames.
        height: rows.
        width: columns.
        pixel_format: of the stored frames.
        times: time stamp of each frame in sixteenths of a second; by default its number.
        rotation: degrees that a player must turn the frames by.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = np.random.default_rng(0).integers(0, 200, (n_frames, height, width, 3), dtype=np.uint8)
    frames += np.arange(n_frames, dtype=np.uint8)[:, None, None, None]
    with av.open(f"file:{path}", "w") as container:
        stream = container.add_stream("libx264", rate=16, options={"crf": "10", "bf": "0"})
        assert isinstance(stream, VideoStream)
        stream.height, stream.width, stream.pix_fmt = height, width, pixel_format
        stream.codec_context.time_base = Fraction(1, 16)
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=pixel_format)
            frame.pts, frame.time_base = (times or int)(number), Fraction(1, 16)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    if rotation:
        _rotate(path, rotation)
    return frames


def _rotate(path: Path, degrees: int) -> None:
    """Overwrite the display matrix of an MP4's track header (ISO 14496-12, section 8.3.2)."""
    one, data = 0x10000, path.read_bytes()
    cos, sin = (round(one * of(math.radians(degrees))) for of in (math.cos, math.sin))
    upright = b"".join(v.to_bytes(4, "big") for v in (one, 0, 0, 0, one, 0, 0, 0, 0x40000000))
    turned = (cos, sin, 0, -sin, cos, 0, 0, 0, 0x40000000)
    header = data.index(b"tkhd")
    before, found, after = data[header:].partition(upright)
    assert found
    path.write_bytes(data[:header] + before + b"".join(v.to_bytes(4, "big", signed=True) for v in turned) + after)


def write_sound(path: Path) -> None:
    """Write a file that has sound alone."""
    with av.open(f"file:{path}", "w") as container:
        stream = container.add_stream("aac", rate=16000)
        samples = np.zeros((1, 1024), dtype=np.float32)
        for number in range(8):
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 16000, 1024 * number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def write_truncated(path: Path) -> None:
    """Write the first half of a video."""
    write_frames(path, n_frames=20)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
