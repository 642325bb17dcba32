"""Figures of long-horizon diagnostics: curves over seconds, and similarity against the gap in time."""

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from probekit.evaluation.long_horizon.diagnosis import VideoDiagnosis
from probekit.evaluation.long_horizon.frame_statistics import QUANTITIES, Quantity
from probekit.reporting.figures import DOTS_PER_INCH, LIGHT, FigurePalette, legend_columns
from probekit.reporting.horizon_record import HorizonRecord
from probekit.visible_text import plot_text

_COLUMNS = 2
_Style = Literal["-", "--", ":", "-."]
_STYLES: Final[tuple[_Style, ...]] = ("-", "--", ":", "-.")
_MOST_NAMED = 4
"""Prompts that are told apart by the line's style; more than that and only models are."""


def curves_figure(record: HorizonRecord, palette: FigurePalette = LIGHT) -> Figure:
    """One panel per quantity: a thin line per video, a thick one for the mean of each model's videos."""
    rows = -(-len(QUANTITIES) // _COLUMNS)
    figure = _figure(7.6, 1.75 * rows + 0.4, palette)
    grid = figure.subplots(rows, _COLUMNS, sharex=True, squeeze=False)
    for axes, quantity in zip(grid.flat, QUANTITIES, strict=False):
        _draw_curves(axes, record, quantity, palette)
    for axes in grid.flat[len(QUANTITIES) :]:
        axes.set_visible(False)
    for axes in grid[-1]:
        axes.set_xlabel("second", color=palette.quiet, fontsize=8)
    _legend(figure, record, palette)
    return figure


def similarity_figure(record: HorizonRecord, palette: FigurePalette = LIGHT) -> Figure:
    """Mean similarity of frames against the seconds between them."""
    with_ssim = all(gap.ssim is not None for one in record.diagnoses for gap in one.similarity)
    panels = ["cosine", "ssim"] if with_ssim else ["cosine"]
    figure = _figure(7.6, 3.2, palette)
    for axes, name in zip(figure.subplots(1, len(panels), squeeze=False).flat, panels, strict=True):
        for one in record.diagnoses:
            values = [getattr(gap, name) for gap in one.similarity]
            (line,) = axes.plot([gap.seconds for gap in one.similarity], values, linewidth=1.4)
            _dress(line, record, one, palette)
        _style(axes, "SSIM of block means" if name == "ssim" else "cosine", palette)
        axes.set_xlabel("seconds between frames", color=palette.quiet, fontsize=8)
    _legend(figure, record, palette)
    return figure


def _draw_curves(axes: Axes, record: HorizonRecord, quantity: Quantity, palette: FigurePalette) -> None:
    for one in record.diagnoses:
        values = one.seconds[quantity.name]
        (line,) = axes.plot(np.arange(len(values)) + 0.5, values, linewidth=0.8, alpha=0.75)
        _dress(line, record, one, palette)
    for label in record.labels:
        curves = [one.seconds[quantity.name] for one in record.diagnoses if one.label == label]
        if len(curves) > 1:
            mean = _mean_curve(curves)
            axes.plot(np.arange(len(mean)) + 0.5, mean, color=_color(record, label, palette), linewidth=2.2)
    _style(axes, f"{quantity.name.replace('_', ' ')} ({quantity.unit})", palette)


def _mean_curve(curves: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Mean over the seconds that all videos have."""
    length = min(map(len, curves))
    mean: NDArray[np.float64] = np.mean([curve[:length] for curve in curves], axis=0)
    return mean


def _dress(line: Line2D, record: HorizonRecord, one: VideoDiagnosis, palette: FigurePalette) -> None:
    """The model's colour and, where prompts are few, the prompt's style."""
    prompts = _prompts(record)
    line.set_color(_color(record, one.label, palette))
    if len(prompts) <= _MOST_NAMED:
        line.set_linestyle(_STYLES[prompts.index(one.prompt_id)])


def _prompts(record: HorizonRecord) -> list[str]:
    return sorted({one.prompt_id for one in record.diagnoses})


def _color(record: HorizonRecord, label: str, palette: FigurePalette) -> str:
    return palette.methods[record.labels.index(label) % len(palette.methods)]


def _figure(width: float, height: float, palette: FigurePalette) -> Figure:
    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, layout="constrained")
    figure.set_facecolor(palette.background)
    return figure


def _style(axes: Axes, title: str, palette: FigurePalette) -> None:
    axes.set_title(title, loc="left", fontsize=8, color=palette.ink)
    axes.set_facecolor(palette.background)
    axes.grid(color=palette.grid, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(colors=palette.quiet, length=0, labelsize=7)
    axes.spines[:].set_visible(False)


def _legend(figure: Figure, record: HorizonRecord, palette: FigurePalette) -> None:
    handles = [Line2D([], [], color=_color(record, label, palette), linewidth=2.2) for label in record.labels]
    names = [plot_text(label) for label in record.labels]
    prompts = _prompts(record)
    if len(prompts) <= _MOST_NAMED:
        handles += [Line2D([], [], color=palette.quiet, linestyle=style) for style in _STYLES[: len(prompts)]]
        names += [plot_text(prompt) for prompt in prompts]
    columns = legend_columns(names, figure.get_figwidth(), 8)
    figure.legend(
        handles, names, loc="outside upper left", ncols=columns, frameon=False, fontsize=8, labelcolor=palette.ink
    )
