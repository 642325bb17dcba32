"""Reading and writing video files with PyAV.

Frames are what VBench sees: the pixels of OpenCV and decord (8 bits equal, 10 within 4 levels), turned as files say.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.atomic_files import atomic_path
from probekit.errors import UserError
from probekit.media.container_end import declared_end, matroska_end
from probekit.media.frame_pixels import QUARTER_TURN, pixel_reader
from probekit.media.video_stream import check_constant_rate, clock_of, frame_rate, picture_stream
from probekit.user_files.content import NOT_MEDIA, refuse_mistakes

if TYPE_CHECKING:
    import av
    from av.container import InputContainer, OutputContainer
    from av.video.stream import VideoStream

_LARGEST_RATE_DENOMINATOR = 1001  # NTSC rates are n/1001
_WORST_CRF = 51
_WRITTEN_SUFFIXES = (".mp4", ".mkv", ".mov")
_HEAD = 4096
_COPY_AGAIN = "Generate or copy it again."


class VideoClip(NamedTuple):
    """A decoded video."""

    frames: NDArray[np.uint8]
    """RGB, shape (T, H, W, 3), range 0..255."""
    fps: float


class VideoInfo(NamedTuple):
    """Sizes of a video, found by decoding all of it."""

    n_frames: int
    height: int
    width: int
    fps: float


def read_video(path: Path, *, expect_frames: int | None = None) -> VideoClip:
    """Decode every frame of a video.

    Args:
        path: A file in any container and codec of FFmpeg.
        expect_frames: Number of frames that the file must have.

    Raises:
        UserError: The file is missing, unreadable, empty, truncated, damaged, without a video stream, stored
            askew or of another length.
    """
    ticks: list[int | None] = []
    with _open_video(path) as (container, stream):
        frames = _collect(_ticking(_decoded(container, stream, path), ticks))
        fps = _fps(stream, ticks, path)
    _check_length(path, len(frames), expect_frames)
    return VideoClip(frames, fps)


def iter_frames(path: Path) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames of a video one by one as RGB arrays of shape (H, W, 3), range 0..255.

    Raises:
        UserError: As `read_video`; damage is reported when the damaged place is reached.
    """
    with _open_video(path) as (container, stream):
        yield from map(pixel_reader(), _decoded(container, stream, path))


def video_info(path: Path) -> VideoInfo:
    """Decode a video and count its frames; a container's own count is not trusted.

    Raises:
        UserError: As `read_video`, or frames are not equally far apart.
    """
    ticks: list[int | None] = []
    with _open_video(path) as (container, stream):
        height, width = stream.height, stream.width
        for frame in _ticking(_decoded(container, stream, path), ticks):
            if len(ticks) == 1 and _quarter_turns(frame, path) % 2:
                height, width = width, height
        fps = _fps(stream, ticks, path)
        check_constant_rate(clock_of(stream, ticks), fps, path)
        return VideoInfo(len(ticks), height, width, fps)


def _ticking(decoded: "Iterator[av.VideoFrame]", ticks: list[int | None]) -> "Iterator[av.VideoFrame]":
    """Hand frames on and write down their time stamps."""
    for frame in decoded:
        ticks.append(frame.pts)
        yield frame


def write_video(path: Path, frames: NDArray[np.uint8], fps: float, *, crf: int | None = None) -> None:
    """Encode an H.264 file atomically; equal frames give equal bytes, however many cores the machine has.

    Args:
        path: Target; its suffix ``.mp4``, ``.mkv`` or ``.mov`` chooses the container.
        frames: RGB, uint8, shape (T, H, W, 3), T >= 1.
        fps: Frames per second, at least 1/1001.
        crf: None keeps every RGB value exactly (libx264rgb, lossless). A number 0..51 is x264's constant rate factor in
            yuv420p, which every player and browser shows; height and width must then be even.

    Raises:
        ValueError: ``frames``, ``fps`` or ``crf`` are not as described.
        UserError: The size is odd, the suffix is another one, or the target cannot be written.
    """
    import av

    _check_frames(path, frames, crf)
    rate = _rate(fps)
    with atomic_path(path) as temporary, av.open(_url(temporary), "w") as container:
        stream = _add_stream(container, frames, rate, crf)
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


def _rate(fps: float) -> Fraction:
    rate = Fraction(fps).limit_denominator(_LARGEST_RATE_DENOMINATOR) if math.isfinite(fps) else Fraction(0)
    if rate <= 0:
        raise ValueError(f"fps must be a finite number of at least 1/{_LARGEST_RATE_DENOMINATOR}, not {fps}")
    return rate


def _add_stream(
    container: "OutputContainer", frames: NDArray[np.uint8], rate: Fraction, crf: int | None
) -> "VideoStream":
    from av.video.stream import VideoStream

    codec, pixel_format = ("libx264rgb", "rgb24") if crf is None else ("libx264", "yuv420p")
    stream = container.add_stream(codec, rate=rate, options={"crf": str(crf or 0)})
    assert isinstance(stream, VideoStream)
    stream.height, stream.width = frames.shape[1:3]
    stream.pix_fmt = pixel_format
    # x264 writes its thread count into the file, so the bytes would otherwise depend on the machine.
    stream.codec_context.thread_count = 1
    return stream


def _check_frames(path: Path, frames: NDArray[np.uint8], crf: int | None) -> None:
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3 or not len(frames):
        raise ValueError(f"frames must be uint8 (T, H, W, 3) with T >= 1, not {frames.dtype} {frames.shape}")
    if path.suffix.lower() not in _WRITTEN_SUFFIXES:
        raise UserError(
            f"Cannot write {path}: {path.suffix or 'no suffix'!r} is not a video container that can be written.",
            f"End the name in {', '.join(_WRITTEN_SUFFIXES)}.",
        )
    if crf is None:
        return
    if not 0 <= crf <= _WORST_CRF:
        raise ValueError(f"crf must be in 0..{_WORST_CRF}, not {crf}")
    height, width = frames.shape[1:3]
    if height % 2 or width % 2:
        raise UserError(
            f"Cannot write {path}: yuv420p needs an even height and width, not {height}x{width}.",
            "Crop one row or column, or write it lossless.",
        )


def _url(path: Path) -> str:
    # Without the scheme FFmpeg takes what stands before a colon for one.
    return f"file:{path}"


@contextmanager
def _open_video(path: Path, options: Mapping[str, str] | None = None) -> "Iterator[tuple[InputContainer, VideoStream]]":
    import av

    _check_content(path)
    try:
        container = av.open(_url(path), options=dict(options or {}), metadata_errors="ignore")
    except av.FFmpegError as error:
        raise UserError(
            f"{path} is not a video that can be decoded: truncated, damaged or another kind of file.",
            _COPY_AGAIN,
        ) from error
    with container:
        stream = picture_stream(container, path)
        stream.thread_type = "AUTO"
        yield container, stream


def _check_content(path: Path) -> None:
    try:
        if not path.is_file():
            raise UserError(f"There is no video file {path}.", "Check the path, or generate the video.")
        size = path.stat().st_size
        if size == 0:
            raise UserError(f"The video file {path} is empty (0 bytes).", _COPY_AGAIN)
        with path.open("rb") as file:
            refuse_mistakes(file.read(_HEAD), path, "video", NOT_MEDIA)
            file.seek(0)
            declared = matroska_end(file)
    except OSError as error:  # permission denied, name too long
        raise UserError(f"{path} cannot be read: {error.strerror}.", "Check its permissions and its name.") from error
    if declared is not None and size < declared:
        raise UserError(f"{path} is truncated: it has {size} of {declared} bytes.", _COPY_AGAIN)


def _decoded(container: "InputContainer", stream: "VideoStream", path: Path) -> "Iterator[av.VideoFrame]":
    count = 0
    for frame in _undamaged(container, stream, path):
        count += 1
        yield frame
    # An edit list hides frames that the container counts, so fewer are missing only if they are not stored either.
    if count == 0 or (count < stream.frames and _lacks_frames(path, stream.frames)):
        raise UserError(f"{path} is truncated: {count} of {stream.frames} frames could be decoded.", _COPY_AGAIN)


def _lacks_frames(path: Path, stated: int) -> bool:
    """Whether frames are lost. Of a whole file its packets are counted: its header may promise frames it never had."""
    packets = count = 0
    with _open_video(path, {"ignore_editlist": "1"}) as (container, stream):
        packets = sum(1 for packet in container.demux(stream) if packet.size)
    with _open_video(path, {"ignore_editlist": "1"}) as (container, stream):
        count = sum(1 for _ in _undamaged(container, stream, path))
    return count < (min(stated, packets) if _is_whole(path) else stated)


def _is_whole(path: Path) -> bool:
    size = path.stat().st_size
    with path.open("rb") as file:
        end = declared_end(file, size)
    return end is not None and end <= size


def _undamaged(container: "InputContainer", stream: "VideoStream", path: Path) -> "Iterator[av.VideoFrame]":
    import av

    count, size = 0, (stream.height, stream.width)
    try:
        for packet in container.demux(stream):
            if packet.is_corrupt:  # cut short; a decoder with threads drops such a packet in silence
                raise _damaged(path, count)
            for frame in packet.decode():
                if frame.is_corrupt or (frame.height, frame.width) != size:
                    raise _damaged(path, count)
                _quarter_turns(frame, path)
                count += 1
                yield frame
    except av.FFmpegError as error:
        raise _damaged(path, count) from error


def _damaged(path: Path, count: int) -> UserError:
    return UserError(f"{path} is truncated or damaged after {count} frames.", _COPY_AGAIN)


def _quarter_turns(frame: "av.VideoFrame", path: Path) -> int:
    """Counter-clockwise quarter turns that a frame is stored rotated by, which OpenCV and decord apply too."""
    turns, rest = divmod(frame.rotation, QUARTER_TURN)
    if rest:
        raise UserError(
            f"{path} is stored rotated by {frame.rotation} degrees, which is no quarter turn.",
            "Encode it again upright (ffmpeg does so by itself).",
        )
    return turns


def _collect(decoded: "Iterator[av.VideoFrame]") -> NDArray[np.uint8]:
    # fromiter grows one array in place; stacking a list would hold the video twice.
    upright_pixels = pixel_reader()
    first = upright_pixels(next(decoded))
    pixels: Any = np.dtype((np.uint8, first.shape))
    return np.fromiter(chain([first], map(upright_pixels, decoded)), dtype=pixels)


def _fps(stream: "VideoStream", ticks: Sequence[int | None], path: Path) -> float:
    rate = frame_rate(clock_of(stream, ticks))
    if not rate:
        raise UserError(f"{path} does not say how many frames per second it has.", "Write it again with a frame rate.")
    return float(rate)


def _check_length(path: Path, n_frames: int, expected: int | None) -> None:
    if expected is not None and n_frames != expected:
        raise UserError(
            f"{path} has {n_frames} frames, not the expected {expected}.",
            "Generate it again, or correct the expected number.",
        )
