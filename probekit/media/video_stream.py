"""Facts of a video from what it is made of: which stream holds the pictures, and how far apart they are shown."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from statistics import median_low
from typing import TYPE_CHECKING, Final, NamedTuple

from probekit.errors import UserError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

_LARGEST_RATE_DENOMINATOR: Final = 1001  # NTSC rates are n/1001


class Clock(NamedTuple):
    """When the frames of a stream are shown.

    Attributes:
        ticks: time stamps of the frames, in ticks.
        tick: length of a tick in seconds.
        stated: frames per second as the container states them, the most trusted first.
    """

    ticks: Sequence[int]
    tick: Fraction
    stated: Sequence[Fraction]


def picture_stream(container: "InputContainer", path: Path) -> "VideoStream":
    """The one stream of a file that is a video; cover pictures and thumbnails are passed over.

    Args:
        container: opened file.
        path: name of the file, for messages.

    Raises:
        UserError: there is no such stream, or there are several, which are named.
    """
    from av.stream import Disposition

    single_pictures = Disposition.attached_pic | Disposition.timed_thumbnails
    streams = list(container.streams.video)
    found = [stream for stream in streams if not stream.disposition & single_pictures]
    if streams and not found:
        raise UserError(f"{path} has no video stream: its only picture is a cover.", "Give a file with a video.")
    if not found:
        raise UserError(
            f"{path} has no video stream: it is sound alone, or truncated.", "Give a file with pictures, whole."
        )
    if len(found) > 1:
        raise UserError(
            f"{path} has {len(found)} video streams: {'; '.join(map(_named, found))}.",
            f"Keep one of them, for example: ffmpeg -i IN -map 0:{found[0].index} -c copy OUT.",
        )
    if found[0].codec_context is None:
        raise UserError(
            f"{path} has a video in a codec that this FFmpeg does not know, or is damaged.",
            "Encode it again, for example as H.264.",
        )
    return found[0]


def _named(stream: "VideoStream") -> str:
    context = stream.codec_context
    what = "unknown codec" if context is None else f"{context.name}, {context.width}x{context.height}"
    return f"stream {stream.index} ({what})"


def clock_of(stream: "VideoStream", ticks: Iterable[int | None]) -> Clock:
    """The clock of a stream whose frames have these time stamps; frames without one are left out."""
    stated = (stream.average_rate, stream.guessed_rate, stream.base_rate, stream.codec_context.framerate)
    shown = sorted(tick for tick in ticks if tick is not None)
    return Clock(shown, stream.time_base or Fraction(0), [rate for rate in stated if rate])


def frame_rate(clock: Clock) -> Fraction | None:
    """Frames per second from time stamps; None where neither they nor the container say it.

    A container's average counts how long the last frame stays, and its other numbers are guesses. A stated rate is
    taken where it fits the time stamps as exactly as their ticks can tell, so 30000/1001 stays what it is in a
    container of milliseconds. Frames that are not equally far apart have the rate of the typical gap.
    """
    gaps = _gaps(clock)
    if not gaps or not clock.tick:
        return clock.stated[0] if clock.stated else None
    typical = median_low(gaps)
    steady = all(2 * abs(gap - typical) <= typical for gap in gaps)
    count, ticks = (len(gaps), sum(gaps)) if steady else (1, typical)
    seconds = ticks * clock.tick
    for rate in clock.stated:
        if abs(count / rate - seconds) <= clock.tick:
            return rate
    return (count / seconds).limit_denominator(_LARGEST_RATE_DENOMINATOR)


def _gaps(clock: Clock) -> list[int]:
    return [later - earlier for earlier, later in pairwise(clock.ticks) if later > earlier]


def check_constant_rate(clock: Clock, fps: float, path: Path) -> None:
    """Refuse a video whose frames are not 1 / fps apart; clocks of containers round, so half a frame is allowed.

    Raises:
        UserError: naming the shortest and the longest gap.
    """
    gaps = [float((later - earlier) * clock.tick) for earlier, later in pairwise(clock.ticks)]
    if gaps and max(abs(gap * fps - 1) for gap in gaps) > 0.5:
        raise UserError(
            f"{path} has no constant frame rate: its frames are {1000 * min(gaps):.0f} to {1000 * max(gaps):.0f} ms "
            "apart, so dimensions that measure motion would mean nothing.",
            "Encode it again at a constant rate (ffmpeg -fps_mode cfr).",
        )
