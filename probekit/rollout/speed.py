"""Throughput and first-output latency, measured the same way for every system that can be sampled here.

One video at a time, from the prompt's text to decoded frames, by the wall clock. A streaming generator's first output
is its first decoded chunk; a system that makes whole clips has its first output when all is there.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from numpy.typing import NDArray

from probekit.rollout.generation_runner import Request, VideoGenerator
from probekit.rollout.streaming_sampler import StreamingSampler

FrameSource = Callable[[Request], Iterator[NDArray[Any]]]
"""Makes a video and yields its frames (1, T, H, W, 3) uint8 as they become ready."""


class Timing(NamedTuple):
    """Wall times of some videos.

    Attributes:
        seconds: wall time of each whole video.
        first_output: until its first frames.
    """

    seconds: tuple[float, ...]
    first_output: tuple[float, ...]


def frame_source(generator: VideoGenerator) -> FrameSource:
    """The frames of a generator in the order and at the time in which they can be shown."""
    if isinstance(generator, StreamingSampler):
        return generator.stream
    return lambda request: iter([generator.generate([request])])


def measure(
    source: FrameSource,
    request: Request,
    *,
    warm_up: int,
    repeats: int,
    clock: Callable[[], float] = time.perf_counter,
) -> Timing:
    """Make `warm_up` videos without and `repeats` with the clock.

    Frames arrive as NumPy arrays, so whatever a GPU still has to do for them is in the time.
    """
    for _ in range(warm_up):
        for _frames in source(request):
            pass
    timings = [_time(source, request, clock) for _ in range(repeats)]
    return Timing(tuple(whole for whole, _ in timings), tuple(first for _, first in timings))


def _time(source: FrameSource, request: Request, clock: Callable[[], float]) -> tuple[float, float]:
    started, first = clock(), None
    for _frames in source(request):
        first = clock() if first is None else first
    assert first is not None
    return clock() - started, first - started
