"""A contact sheet: frames of several models' videos under one another, prompt by prompt."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from probekit.reporting.figures import DOTS_PER_INCH, LIGHT
from probekit.video_files import VideoClip, read_video

_FRAME_INCHES = 0.95
_CAPTION_LENGTH = 110


class SheetRow(NamedTuple):
    """The videos of one prompt, one for each model; None where a model has none."""

    prompt: str
    videos: tuple[Path | None, ...]


def contact_sheet(models: Sequence[str], rows: Sequence[SheetRow], *, n_frames: int = 8) -> Figure:
    """Draw evenly spaced frames, first to last, of each model's video of each prompt.

    Args:
        models: names, in the order of every row's videos.
        rows: prompts, from the top; at least one.
        n_frames: frames of each video, at least 2.

    Raises:
        ValueError: ``rows`` is empty, ``n_frames`` is below 2, or a row has another number of videos than ``models``.
        UserError: A video cannot be read.
    """
    if not rows or n_frames < 2 or any(len(row.videos) != len(models) for row in rows):
        raise ValueError("a contact sheet needs rows with one video a model, and at least 2 frames")
    clips = [[None if path is None else read_video(path) for path in row.videos] for row in rows]
    height_inches = _FRAME_INCHES * _aspect(clips)
    size = (1.6 + n_frames * _FRAME_INCHES, 0.2 + len(rows) * (0.42 + len(models) * (height_inches + 0.06)))
    figure = Figure(figsize=size, dpi=DOTS_PER_INCH, layout="constrained")
    figure.set_facecolor(LIGHT.background)
    # squeeze=False: the result is an array however few prompts there are.
    for part, row, row_clips in zip(np.ravel(figure.subfigures(len(rows), 1, squeeze=False)), rows, clips, strict=True):
        part.suptitle(_shortened(row.prompt), fontsize=8, x=0.01, ha="left", color=LIGHT.ink)
        axes = part.subplots(len(models), n_frames, squeeze=False)
        for line, model, clip in zip(axes, models, row_clips, strict=True):
            _draw_clip(line, model, clip)
    return figure


def frame_indices(n_frames: int, count: int) -> NDArray[np.int64]:
    """``count`` evenly spaced indices from the first to the last of ``n_frames`` frames."""
    return np.linspace(0, n_frames - 1, count).round().astype(np.int64)


def _aspect(clips: Sequence[Sequence[VideoClip | None]]) -> float:
    shapes = [clip.frames.shape for row in clips for clip in row if clip is not None]
    return max((height / width for _, height, width, _ in shapes), default=1.0)


def _draw_clip(line: Sequence[Axes], model: str, clip: VideoClip | None) -> None:
    for axes in line:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
    label = line[0].set_ylabel(model.replace("$", r"\$"), rotation=0, ha="right", va="center", fontsize=8)
    label.set_color(LIGHT.ink)
    if clip is None:
        line[0].text(0.0, 0.5, "no video", fontsize=8, color=LIGHT.quiet, transform=line[0].transAxes, va="center")
        return
    for axes, index in zip(line, frame_indices(len(clip.frames), len(line)), strict=True):
        axes.imshow(clip.frames[index], interpolation="nearest")
        axes.set_xlabel(f"{index / clip.fps:.1f} s", fontsize=6, color=LIGHT.quiet, labelpad=1)


def _shortened(prompt: str) -> str:
    text = " ".join(prompt.replace("$", r"\$").split())
    return text if len(text) <= _CAPTION_LENGTH else f"{text[: _CAPTION_LENGTH - 3]}..."
