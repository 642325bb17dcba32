"""Figures of targets, each from stored rows by one function; saved as PNG with 300 dots per inch, SVG and PDF."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from probekit.reporting.comparison_record import ComparisonRow
from probekit.reporting.contact_sheet import shortened
from probekit.reporting.figures import LIGHT, save_figure
from probekit.reporting.future_figures import draw_picture
from probekit.reporting.future_pictures import FuturePictures
from probekit.reporting.summary import prompts_text
from probekit.visible_text import plot_text
from trainer.reproduction.results import ProbeContrastRow, arms_contrast
from trainer.sweeps.table import SweepLine

PRINT_DOTS: Final = 300
"""Dots per inch of figures for print."""

_SUFFIXES: Final = (".png", ".svg", ".pdf")
_CONTROLS: Final = {"copy of the current frame": ("--", "copy of the present"), "untrained": (":", "untrained network")}
_BARS: Final = "bars: 95% interval of the paired difference"


def write_figure(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Save a figure in every format; returns the paths."""
    figure.set_dpi(PRINT_DOTS)
    paths = [folder / f"{name}{suffix}" for suffix in _SUFFIXES]
    with matplotlib.rc_context({"savefig.dpi": PRINT_DOTS, "pdf.fonttype": 42}):
        for path in paths:
            save_figure(figure, path)
    return paths


def probe_figure(rows: Sequence[ProbeContrastRow], metrics: Sequence[str], direction: Mapping[str, str]) -> Figure:
    """One row of panels per metric, one panel per site: both arms by horizon, beside the controls.

    Args:
        rows: stored contrasts, whose first one is between the arms.
        metrics: names of the metrics from the top.
        direction: word for the axis by metric, such as `lower is better`.
    """
    sites = sorted(dict.fromkeys(row.site for row in rows))
    size = (2.6 * len(sites) + 0.8, 2.1 * len(metrics) + 0.7)
    figure = Figure(figsize=size, layout="constrained", facecolor=LIGHT.background)
    grid = figure.subplots(len(metrics), len(sites), squeeze=False, sharey="row", sharex=True)
    for axes_row, metric in zip(grid, metrics, strict=True):
        for axes, site in zip(axes_row, sites, strict=True):
            _draw_site(axes, [row for row in rows if (row.metric, row.site) == (metric, site)], arms_contrast(rows))
            axes.set_title(plot_text(site), fontsize=8, loc="left", color=LIGHT.ink)
        axes_row[0].set_ylabel(f"{metric.replace('_', ' ')}\n({direction[metric]})", fontsize=7, color=LIGHT.quiet)
    for axes in grid[-1]:
        axes.set_xlabel("chunks ahead", fontsize=7, color=LIGHT.quiet)
    prompts = max(row.prompts for row in rows)
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=4, frameon=False, fontsize=7)
    figure.supxlabel(f"n = {prompts} held-out prompts; {_BARS}", fontsize=6, color=LIGHT.quiet)
    return figure


def _draw_site(axes: Axes, rows: Sequence[ProbeContrastRow], both: str) -> None:
    method, _, baseline = both.partition(" - ")
    arms = sorted((row for row in rows if row.contrast == both), key=lambda row: row.horizon)
    horizons = [row.horizon for row in arms]
    colors = dict(zip((baseline, method), LIGHT.methods, strict=False))
    axes.plot(horizons, [row.b for row in arms], "o-", color=colors[baseline], markersize=3, label=plot_text(baseline))
    axes.plot(horizons, [row.a for row in arms], "o-", color=colors[method], markersize=3, label=plot_text(method))
    for row in arms:
        if row.low is not None and row.high is not None:
            axes.plot([row.horizon] * 2, [row.b + row.low, row.b + row.high], color=colors[method], linewidth=2.4)
    for control, (style, label) in _CONTROLS.items():
        own = sorted((row for row in rows if row.contrast == f"{baseline} - {control}"), key=lambda row: row.horizon)
        if own:
            axes.plot([row.horizon for row in own], [row.b for row in own], style, color=LIGHT.quiet, label=label)
    axes.set_xticks(horizons)
    _plain(axes)


def losses_figure(lines: Sequence[SweepLine], notes: str) -> Figure:
    """Differences of Total from the row without foresight, with their intervals; a filled marker excludes 0."""
    shown = [(line.label, line.total) for line in lines if line.total is not None]
    figure = Figure(figsize=(5.2, 0.9 + 0.36 * len(shown)), layout="constrained", facecolor=LIGHT.background)
    axes = figure.add_subplot()
    axes.axvline(0.0, color=LIGHT.ink, linewidth=0.8)
    for place, (_, total) in enumerate(shown):
        _draw_difference(axes, place, total)
    axes.set_yticks(range(len(shown)), [plot_text(label) for label, _ in shown])
    axes.set_ylim(len(shown) - 0.5, -0.5)
    counted = prompts_text([total for _, total in shown])
    axes.set_xlabel(plot_text(f"{notes}; n = {counted}"), fontsize=7, color=LIGHT.quiet)
    _plain(axes)
    return figure


def _draw_difference(axes: Axes, place: int, total: ComparisonRow) -> None:
    color = LIGHT.methods[0]
    if total.difference is None:
        axes.text(0.0, place, f" {total.reason}", fontsize=7, va="center", color=LIGHT.quiet)
        return
    if total.low is not None and total.high is not None:
        axes.plot([total.low, total.high], [place, place], color=color, linewidth=1.6)
    axes.plot([total.difference], [place], "o", color=color, mfc=color if total.star else LIGHT.background)


def readouts_figure(pictures: Sequence[FuturePictures]) -> Figure:
    """A row per prompt and arm: the present, then for each horizon a future frame and what is read in the state."""
    rows: dict[tuple[str, str], list[FuturePictures]] = {}
    for one in sorted(pictures, key=lambda one: one.prompt):
        rows.setdefault((one.prompt, one.arm), []).append(one)
    columns = 1 + 2 * max(map(len, rows.values()))
    figure = Figure(figsize=(1.0 * columns + 1.4, 1.05 * len(rows) + 0.5), layout="constrained")
    figure.set_facecolor(LIGHT.background)
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for axes_row, ((prompt, arm), own) in zip(grid, rows.items(), strict=True):
        images = [own[0].now, *(part for one in own for part in (one.futures[0], one.readout))]
        for axes, image in zip(axes_row, images, strict=True):
            draw_picture(axes, image, 1.0)
        label = f"{arm}\n{shortened(prompt)[:44]}"
        axes_row[0].set_ylabel(plot_text(label), fontsize=5, rotation=0, ha="right", va="center")
    for axes, title in zip(grid[0], _titles(next(iter(rows.values()))), strict=True):
        axes.set_title(title, fontsize=6, color=LIGHT.ink)
    return figure


def _titles(own: Sequence[FuturePictures]) -> Iterator[str]:
    yield "now"
    for one in own:
        yield f"future +{one.horizon}"
        yield f"readout +{one.horizon}"


def _plain(axes: Axes) -> None:
    axes.set_facecolor(LIGHT.background)
    axes.grid(color=LIGHT.grid, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(colors=LIGHT.ink, length=0, labelsize=7)
    axes.spines[:].set_visible(False)
