"""Copies of videos that every browser plays, and the still image that stands for each until it is played."""

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.atomic_files import atomic_path, write_bytes
from probekit.errors import UserError
from probekit.media.video_files import iter_frames, read_video, write_video
from probekit.media.video_stream import picture_stream

if TYPE_CHECKING:
    import av

SMALLEST_SIDE = 128
"""Smaller videos are enlarged to at least this: yuv420p halves the resolution of colour, which blurs 32x32 pixels."""
CRF = 12
"""Constant rate factor of re-encoded copies; hardly to be told from the original."""

MOST_EMBEDDED = 4 * 2**20
"""Bytes of the largest copy whose frames the page can save."""

_POSTER_QUALITY = 85


class BrowserVideo(NamedTuple):
    """A copy for the browser."""

    video: Path
    poster: Path
    height: int
    width: int
    """Size of the copy."""
    enlargement: int
    """Integer factor by which the copy is larger than the original; 1 where it has its size."""


def browser_video(source: Path, folder: Path, stem: str) -> BrowserVideo:
    """Write ``<folder>/<stem>.mp4`` and the poster ``<folder>/<stem>.png`` or ``.jpg``.

    A file that browsers play already (H.264, yuv420p, in MP4) is copied byte for byte; any other is encoded again.

    Raises:
        UserError: The source cannot be decoded, or the target cannot be written.
    """
    target = folder / f"{stem}.mp4"
    if plays_in_browser(source):
        return _copied(source, target)
    clip = read_video(source)
    factor = enlargement(*clip.frames.shape[1:3])
    frames = enlarged(clip.frames, factor)
    write_video(target, frames, clip.fps, crf=CRF)
    height, width = frames.shape[1:3]
    return BrowserVideo(target, _poster(clip.frames[0], target), height, width, factor)


def write_embedded(video: Path, place: str) -> bool:
    """Write ``<video>.js``, a script that hands the page the bytes of a copy; a video above `MOST_EMBEDDED` gets none.

    A page opened from disk may show a file beside it but not read its pixels. It may read what a script brings.

    Args:
        video: copy that `browser_video` wrote.
        place: name under which the page asks for it.

    Returns:
        Whether the script was written.
    """
    data = video.read_bytes()
    if len(data) > MOST_EMBEDDED:
        return False
    text = f"PROBEKIT_BYTES({json.dumps(place)}, {json.dumps(base64.b64encode(data).decode())});\n"
    write_bytes(video.with_name(f"{video.name}.js"), text.encode())
    return True


def plays_in_browser(path: Path) -> bool:
    """Whether every current browser plays the file as it is. A file that can't be opened does not."""
    import av

    try:
        with av.open(f"file:{path}") as container:
            names = container.format.name.split(",")
            return "mp4" in names and _is_plain_h264(picture_stream(container, path).codec_context)
    except (av.FFmpegError, FileNotFoundError, UserError):
        return False


def enlargement(height: int, width: int) -> int:
    """Smallest integer factor that gives even sides of at least `SMALLEST_SIDE` pixels, as yuv420p needs."""
    factor = max(1, -(-SMALLEST_SIDE // min(height, width)))
    odd_side = bool(height % 2 or width % 2)
    return factor + 1 if odd_side and factor % 2 else factor


def enlarged(frames: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Repeat every pixel ``factor`` times in both directions; frames (T, H, W, 3)."""
    return frames.repeat(factor, axis=1).repeat(factor, axis=2)


def _is_plain_h264(context: "av.VideoCodecContext") -> bool:
    return context.name == "h264" and context.pix_fmt in ("yuv420p", "yuvj420p")


def _copied(source: Path, target: Path) -> BrowserVideo:
    first = next(iter_frames(source))
    write_bytes(target, source.read_bytes())
    height, width = first.shape[:2]
    return BrowserVideo(target, _poster(first, target), height, width, 1)


def _poster(frame: NDArray[np.uint8], target: Path) -> Path:
    """First frame: PNG for small pictures, whose every pixel shows; JPEG for the rest."""
    from PIL import Image

    path = target.with_suffix(".png" if min(frame.shape[:2]) < SMALLEST_SIDE else ".jpg")
    with atomic_path(path) as temporary:
        Image.fromarray(frame).save(temporary, quality=_POSTER_QUALITY)
    return path
