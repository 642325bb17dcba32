"""Figures of long-horizon diagnostics: curves over seconds, and similarity against the gap in time.

Both are drawn from the tidy rows that are written beside them: a thin line per video, a thick one for the mean over
prompts, and its interval as a band.
"""

from collections.abc import Sequence
from typing import Final, Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from probekit.evaluation.long_horizon.frame_statistics import QUANTITIES
from probekit.reporting.bands import Point, curve_points, draw_band, interval_note
from probekit.reporting.figures import LIGHT, FigurePalette, blank_figure, legend_columns, style_panel
from probekit.reporting.horizon_record import HorizonRecord
from probekit.reporting.horizon_tables import CURVE_COLUMNS, SIMILARITY_COLUMNS, curve_rows, similarity_rows
from probekit.visible_text import plot_text

_COLUMNS = 2
_Style = Literal["-", "--", ":", "-."]
_STYLES: Final[tuple[_Style, ...]] = ("-", "--", ":", "-.")
_MOST_NAMED = 4
"""Prompts that are told apart by the line's style; more than that and only models are."""
_SECOND_MIDDLE: Final = 0.5
_VIDEO: Final = ["prompt_id", "sample"]


def curves_figure(record: HorizonRecord, palette: FigurePalette = LIGHT) -> Figure:
    """One panel per quantity: a thin line per video, a thick one with its band for the mean over prompts."""
    table = pd.DataFrame(curve_rows(record), columns=list(CURVE_COLUMNS))
    table = table.assign(second=table.second + _SECOND_MIDDLE)
    rows = -(-len(QUANTITIES) // _COLUMNS)
    figure = blank_figure(7.6, 1.75 * rows + 0.6, palette)
    grid = figure.subplots(rows, _COLUMNS, sharex=True, squeeze=False)
    points: list[Point] = []
    for axes, quantity in zip(grid.flat, QUANTITIES, strict=False):
        points += _draw_panel(axes, table[table.quantity == quantity.name], "second", record, palette)
        style_panel(axes, f"{quantity.name.replace('_', ' ')} ({quantity.unit})", palette)
    for axes in grid.flat[len(QUANTITIES) :]:
        axes.set_visible(False)
    for axes in grid[-1]:
        axes.set_xlabel("second", color=palette.quiet, fontsize=8)
    _legend(figure, record, points, palette)
    return figure


def similarity_figure(record: HorizonRecord, palette: FigurePalette = LIGHT) -> Figure:
    """Mean similarity of frames against the seconds between them; one panel per measure that all videos have."""
    table = pd.DataFrame(similarity_rows(record), columns=list(SIMILARITY_COLUMNS))
    titles = {"cosine": "cosine"} | ({"ssim": "SSIM of block means"} if table.ssim.notna().all() else {})
    figure = blank_figure(7.6, 3.4, palette)
    points: list[Point] = []
    for axes, (name, title) in zip(figure.subplots(1, len(titles), squeeze=False).flat, titles.items(), strict=True):
        points += _draw_panel(axes, table.rename(columns={name: "value"}), "gap_seconds", record, palette)
        style_panel(axes, title, palette)
        axes.set_xlabel("seconds between frames", color=palette.quiet, fontsize=8)
    _legend(figure, record, points, palette)
    return figure


def _draw_panel(axes: Axes, rows: pd.DataFrame, x: str, record: HorizonRecord, palette: FigurePalette) -> list[Point]:
    """One panel from tidy rows; returns the points of the means."""
    prompts, points = _prompts(record), list[Point]()
    for label in record.labels:
        own, color = rows[rows.label == label], _color(record, label, palette)
        videos = own.groupby(_VIDEO, sort=False)
        for (prompt, _), video in videos:
            style = _STYLES[prompts.index(str(prompt))] if len(prompts) <= _MOST_NAMED else "-"
            axes.plot(video[x], video.value.astype(float), style, color=color, linewidth=0.8, alpha=0.75)
        found = curve_points(_shared(own, x, videos.ngroups), x)
        points += found
        if videos.ngroups > 1:
            draw_band(axes, found, color)
    return points


def _shared(rows: pd.DataFrame, x: str, videos: int) -> pd.DataFrame:
    """Rows at the places that all videos have: a mean of fewer would jump where a video ends."""
    counts = rows.dropna(subset=["value"]).groupby(x).size()
    return rows[rows[x].isin(counts[counts == videos].index)]


def _prompts(record: HorizonRecord) -> list[str]:
    return sorted({one.prompt_id for one in record.diagnoses})


def _color(record: HorizonRecord, label: str, palette: FigurePalette) -> str:
    return palette.methods[record.labels.index(label) % len(palette.methods)]


def _legend(figure: Figure, record: HorizonRecord, points: Sequence[Point], palette: FigurePalette) -> None:
    handles = [Line2D([], [], color=_color(record, label, palette), linewidth=2.0) for label in record.labels]
    names = [plot_text(label) for label in record.labels]
    prompts = _prompts(record)
    if len(prompts) <= _MOST_NAMED:
        handles += [Line2D([], [], color=palette.quiet, linestyle=style) for style in _STYLES[: len(prompts)]]
        names += [plot_text(prompt) for prompt in prompts]
    columns = legend_columns(names, figure.get_figwidth(), 8)
    figure.legend(
        handles, names, loc="outside upper left", ncols=columns, frameon=False, fontsize=8, labelcolor=palette.ink
    )
    note = f"thin: a video, {len(record.diagnoses)} in all; thick: mean per model, {interval_note(points)}"
    figure.supxlabel(note, fontsize=7, color=palette.quiet)
