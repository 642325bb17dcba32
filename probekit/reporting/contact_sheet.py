"""A contact sheet: frames of several models' videos under one another, prompt by prompt."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from numpy.typing import NDArray

from probekit.media.video_files import read_video
from probekit.reporting.figures import DOTS_PER_INCH, LIGHT
from probekit.visible_text import plot_text

_FRAME, _GAP, _MARGIN = 0.95, 0.06, 0.12
_HEADING, _TIMES = 0.30, 0.16
_LETTER = 0.075
"""Inches; the letter is the width of one in a model's name."""

_CAPTION_LENGTH = 110
_UNKNOWN_GLYPH = "\N{WHITE SQUARE}"
"""Stands for characters that matplotlib's font lacks, such as Chinese ones; the page itself shows them."""


class SheetRow(NamedTuple):
    """The videos of one prompt, one for each model; None where a model has none."""

    prompt: str
    videos: tuple[Path | None, ...]


class Strip(NamedTuple):
    """Frames of one video, and when they are shown."""

    frames: NDArray[np.uint8]
    """(n, H, W, 3)."""
    seconds: NDArray[np.float64]
    """(n,)."""


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
        raise ValueError("a contact sheet needs rows with one video per model, and at least 2 frames")
    strips = [[None if path is None else _strip(path, n_frames) for path in row.videos] for row in rows]
    left = 2 * _MARGIN + _LETTER * max(len(model) for model in models)
    line = _FRAME * _aspect(strips) + _TIMES
    width = left + n_frames * (_FRAME + _GAP) + _MARGIN
    height = _MARGIN + len(rows) * (_HEADING + len(models) * line)
    # Places are computed, not left to a layout engine, which is slow for many pictures.
    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, facecolor=LIGHT.background)
    top = height
    for row, row_strips in zip(rows, strips, strict=True):
        top -= _HEADING
        _text(figure, _MARGIN, top + 0.1, shortened(row.prompt), size=8)
        for model, strip in zip(models, row_strips, strict=True):
            top -= line
            _text(figure, left - _MARGIN, top + _TIMES + (line - _TIMES) / 2, plot_text(model), size=8, side="right")
            if strip is None:
                _text(figure, left, top + line / 2, "no video", size=8, color=LIGHT.quiet)
            else:
                _draw_strip(figure, strip, left, top + _TIMES)
    return figure


def frame_indices(n_frames: int, count: int) -> NDArray[np.int64]:
    """``count`` evenly spaced indices from the first to the last of ``n_frames`` frames."""
    return np.linspace(0, n_frames - 1, count).round().astype(np.int64)


def shortened(prompt: str) -> str:
    """A prompt in one line that matplotlib can draw."""
    text = " ".join(prompt.split())
    if len(text) > _CAPTION_LENGTH:
        text = f"{text[: _CAPTION_LENGTH - 3]}..."
    drawable = get_font(findfont(FontProperties())).get_charmap()
    return plot_text("".join(letter if ord(letter) in drawable else _UNKNOWN_GLYPH for letter in text))


def _strip(path: Path, count: int) -> Strip:
    clip = read_video(path)
    indices = frame_indices(len(clip.frames), count)
    return Strip(clip.frames[indices], indices / clip.fps)


def _aspect(strips: Sequence[Sequence[Strip | None]]) -> float:
    shapes = [strip.frames.shape for line in strips for strip in line if strip is not None]
    return max((height / width for _, height, width, _ in shapes), default=1.0)


def _draw_strip(figure: Figure, strip: Strip, left: float, bottom: float) -> None:
    width, height = figure.get_size_inches()
    tall = _FRAME * strip.frames.shape[1] / strip.frames.shape[2]
    for number, (frame, seconds) in enumerate(zip(strip.frames, strip.seconds, strict=True)):
        x = left + number * (_FRAME + _GAP)
        axes = figure.add_axes((x / width, bottom / height, _FRAME / width, tall / height))
        axes.set_axis_off()
        axes.imshow(frame, interpolation="nearest", aspect="auto")
        _text(figure, x + _FRAME / 2, bottom - _TIMES / 2, f"{seconds:.1f} s", size=6, side="center", color=LIGHT.quiet)


def _text(
    figure: Figure, x: float, y: float, text: str, *, size: int, side: str = "left", color: str = LIGHT.ink
) -> None:
    """Write at inches from the lower left corner."""
    width, height = figure.get_size_inches()
    figure.text(x / width, y / height, text, fontsize=size, ha=side, va="center", color=color)
