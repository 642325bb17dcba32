"""Decoding some frames of a video: only what lies between the key frame before and the frame that is wanted."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.media.frame_pixels import pixel_reader
from probekit.media.video_files import read_video
from probekit.media.video_stream import picture_stream

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream


class _Index(NamedTuple):
    """Times of all frames in the order of display, and those of key frames, in the stream's time base."""

    times: list[int]
    keys: list[int]


def read_frames_at(path: Path, numbers: Sequence[int], n_frames: int) -> NDArray[np.uint8]:
    """Decode frames of a video by their numbers; all of it where its container does not say when each is shown.

    Args:
        path: a file.
        numbers: indices of frames, from 0; may repeat.
        n_frames: frames of the video.

    Returns:
        RGB frames (len(numbers), H, W, 3), the same pixels as `read_video` gives.

    Raises:
        UserError: if the file is damaged where it was read, or has another number of frames.
    """
    found = _seek(path, sorted(set(numbers)), n_frames)
    if found is None:
        return read_video(path, expect_frames=n_frames).frames[list(numbers)]
    return np.stack([found[number] for number in numbers])


def _seek(path: Path, numbers: Sequence[int], n_frames: int) -> dict[int, NDArray[np.uint8]] | None:
    """Frames by number; None where they cannot be found by their time."""
    import av

    try:
        with av.open(f"file:{path}", metadata_errors="ignore") as container:
            stream = picture_stream(container, path)
            stream.thread_type = "AUTO"
            index = _index(container, stream)
            if index is None or len(index.times) != n_frames:
                return None
            times = [index.times[number] for number in numbers]
            pixels = dict(_decoded(container, stream, index, times))
    except av.FFmpegError as error:
        raise UserError(f"{path} cannot be decoded: truncated or damaged.", "Generate or copy it again.") from error
    return {n: pixels[t] for n, t in zip(numbers, times, strict=True)} if len(pixels) == len(times) else None


def _index(container: "InputContainer", stream: "VideoStream") -> _Index | None:
    times, keys = [], []
    for packet in container.demux(stream):
        if packet.size == 0:
            continue
        if packet.pts is None:
            return None
        if packet.pts >= 0:  # an edit list hides what comes before
            times.append(packet.pts)
        if packet.is_keyframe:
            keys.append(packet.pts)
    return _Index(sorted(times), sorted(keys)) if keys else None


def _decoded(
    container: "InputContainer", stream: "VideoStream", index: _Index, wanted: Sequence[int]
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """The wanted times, in order, with their frames. Seeks where a key frame lies between what was read and wanted."""
    remaining, before, upright_pixels = list(wanted), -1, pixel_reader()
    while remaining and len(remaining) != before:  # a damaged file may lead to the same place for ever
        before = len(remaining)
        container.seek(index.keys[_key_before(index, remaining[0])], stream=stream, backward=True)
        for frame in container.decode(stream):
            if frame.pts == remaining[0]:
                yield remaining.pop(0), upright_pixels(frame)
            key_ahead = remaining and index.keys[_key_before(index, remaining[0])] > (frame.pts or 0)
            if not remaining or key_ahead:
                break
        else:
            return  # the end was reached without the wanted frame


def _key_before(index: _Index, time: int) -> int:
    return max(0, bisect_right(index.keys, time) - 1)
