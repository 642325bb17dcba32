"""Decoding some frames of a video: only what lies between the key frame before and the frame that is wanted."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from probekit.errors import UserError

_READ_AGAIN = "generate or copy it again."


class _Index(NamedTuple):
    """Times of all frames in the order of display, and those of key frames, in the stream's time base."""

    times: list[int]
    keys: list[int]


def read_frames_at(path: Path, numbers: Sequence[int]) -> NDArray[np.uint8]:
    """Decode frames of a video by their numbers.

    Args:
        path: a file.
        numbers: of frames, from 0; may repeat.

    Returns:
        RGB frames (len(numbers), H, W, 3), the same pixels as `read_video` gives.

    Raises:
        UserError: if the file is damaged, does not say when its frames are shown, or has fewer frames.
    """
    try:
        with av.open(f"file:{path}", metadata_errors="ignore") as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            index = _index(container, stream, path)
            if max(numbers) >= len(index.times):
                raise UserError(f"{path} has {len(index.times)} frames, not {max(numbers) + 1}.", _READ_AGAIN)
            wanted = {index.times[number] for number in numbers}
            found = dict(_decoded(container, stream, index, sorted(wanted)))
    except (av.FFmpegError, IndexError) as error:
        raise UserError(f"{path} is not a video that can be decoded.", _READ_AGAIN) from error
    if wanted - found.keys():
        raise UserError(f"{path} is damaged: {len(wanted - found.keys())} frames cannot be decoded.", _READ_AGAIN)
    return np.stack([found[index.times[number]] for number in numbers])


def _index(container: InputContainer, stream: VideoStream, path: Path) -> _Index:
    times, keys = [], []
    for packet in container.demux(stream):
        if packet.size == 0:
            continue
        if packet.pts is None:
            raise UserError(f"{path} does not say when its frames are shown.", "copy it into an .mp4 file.")
        if packet.pts >= 0:  # an edit list hides what comes before
            times.append(packet.pts)
        if packet.is_keyframe:
            keys.append(packet.pts)
    return _Index(sorted(times), sorted(keys))


def _decoded(
    container: InputContainer, stream: VideoStream, index: _Index, wanted: Sequence[int]
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """The wanted times with their frames. Seeks only where a key frame lies ahead, before the next wanted frame."""
    remaining = list(wanted)
    while remaining:
        key = index.keys[max(0, bisect_right(index.keys, remaining[0]) - 1)]
        container.seek(key, stream=stream, backward=True)
        reached: int | None = None
        for frame in container.decode(stream):
            if frame.pts == remaining[0]:
                yield remaining.pop(0), frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
            reached = frame.pts
            if not remaining or _key_ahead(index, reached, remaining[0]):
                break
        else:
            return  # the end was reached without the wanted frame


def _key_ahead(index: _Index, reached: int | None, wanted: int) -> bool:
    key = index.keys[max(0, bisect_right(index.keys, wanted) - 1)]
    return reached is not None and key > reached
