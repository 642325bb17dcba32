"""Which frames of a long video are scored together: all of them, or VBench-Long's clips.

`whole` scores the video as it is. `vbench-long` cuts it as VBench-Long does (`split_video_into_clips` in
vbench2_beta_long/utils.py): clips of int(fps) * 2 s one after another; what is left at the end is extended backwards to
a whole clip, which then overlaps the one before it; a video shorter than one clip is one clip. The score of a video is
the mean over its clips, and that of a dimension the mean over videos.

One difference, on purpose: VBench-Long writes every clip to an mp4 (x264, crf 23) and scores that file; here a clip is
scored from the decoded frames. Re-encoding alone moved temporal flickering from 0.948713 to 0.948854 on one published
5 s video, +1.4e-4 of raw score.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from probekit.choices import ClipRule
from probekit.errors import UserError

WHOLE: Final[ClipRule] = "whole"
CLIP_SECONDS: Final = 2
"""VBench-Long's duration for custom videos, and for all but three dimensions of its standard suite."""


class Span(NamedTuple):
    """Frames start … stop-1 of a video."""

    start: int
    stop: int


class ClipRow(NamedTuple):
    """One line of a clip table."""

    video: str
    clip: int
    start: int
    stop: int


def clip_spans(n_frames: int, fps: float, rule: ClipRule = WHOLE, *, seconds: int = CLIP_SECONDS) -> tuple[Span, ...]:
    """The clips of a video, in order; their position is the score table's `clip`.

    Args:
        n_frames: frames of the video, at least 1.
        fps: frames per second; `vbench-long` cuts off its fraction, as the official code does.
        rule: how to cut.
        seconds: length of a clip under `vbench-long`.

    Raises:
        UserError: if `vbench-long` is asked for below one frame per second.
    """
    assert n_frames >= 1
    assert seconds >= 1
    if rule == WHOLE:
        return (Span(0, n_frames),)
    length = int(fps) * seconds
    if length < 1:
        raise UserError(f"A video of {fps:g} frames per second has no clips of {seconds} s.", "Score it whole.")
    if n_frames < length:
        return (Span(0, n_frames),)
    starts = [*range(0, n_frames - length + 1, length)]
    tail = [n_frames - length] if n_frames % length else []
    return tuple(Span(start, start + length) for start in (*starts, *tail))


def clip_table(videos: Iterable[tuple[str, int, float]], rule: ClipRule) -> list[ClipRow]:
    """The clips of (name, frames, fps) of several videos; equal input gives equal rows on every machine."""
    return [
        ClipRow(name, number, *span)
        for name, n_frames, fps in videos
        for number, span in enumerate(clip_spans(n_frames, fps, rule))
    ]


def scorer_id_under(scorer_id: str, rule: ClipRule) -> str:
    """The scorer's id with the clip rule, so that no table mixes rules; whole videos keep the plain id."""
    return scorer_id if rule == WHOLE else f"{scorer_id}+clips={rule}-{CLIP_SECONDS}s"
