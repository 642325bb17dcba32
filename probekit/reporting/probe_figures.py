"""Figure of the probes: error by horizon, site by site, with intervals over held-out prompts."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from probekit.probing.probe_settings import COPY, TRAINED, UNTRAINED
from probekit.reporting.bands import Point, curve_points, draw_bars, interval_note
from probekit.reporting.figures import LIGHT, FigurePalette, blank_figure, style_panel
from probekit.visible_text import plot_text

_STYLES: Final = {TRAINED: "-", UNTRAINED: ":", COPY: "--"}
_WORDS: Final = {TRAINED: "trained", UNTRAINED: "untrained", COPY: "copy of the current frame"}
_COLUMNS: Final = 4
_APART: Final = 0.07
"""Chunks between the bars of two curves."""


class _Line(NamedTuple):
    """One curve of a panel, with its place among all curves."""

    arm: str
    source: str
    number: int


def probe_errors_figure(table: pd.DataFrame, metric: str, palette: FigurePalette = LIGHT) -> Figure:
    """One panel per site: mean over held-out prompts by horizon, of all arms, their untrained twins and copies.

    Args:
        table: rows of `probe_experiment.judged` of all arms.
        metric: id of the metric.
        palette: colours.
    """
    chosen = table[table.metric_id == metric]
    sites = list(dict.fromkeys(chosen.site.dropna()))
    columns = min(_COLUMNS, len(sites))
    rows = -(-len(sites) // columns)
    figure = blank_figure(3.0 * columns + 0.6, 2.5 * rows + 0.9, palette)
    panels = list(figure.subplots(rows, columns, sharey=True, squeeze=False).flat)
    lines, points = list(_lines(chosen)), list[Point]()
    for axes, site in zip(panels, sites, strict=False):
        for line in lines:
            points += _draw_line(axes, chosen, line, site, len(lines), palette)
        style_panel(axes, plot_text(str(site)), palette)
        axes.set_xticks(sorted(chosen.horizon.unique()))
        axes.set_xlabel("chunks ahead", fontsize=7, color=palette.quiet)
    for axes in panels[len(sites) :]:
        axes.set_visible(False)
    for axes in panels[::columns]:
        axes.set_ylabel(metric.split(":")[0].replace("_", " "), fontsize=7, color=palette.quiet)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper left", ncols=min(3, len(labels)), frameon=False, fontsize=7,
        labelcolor=palette.ink,
    )  # fmt: skip
    figure.supxlabel(interval_note(points, "held-out prompts", "bar"), fontsize=7, color=palette.quiet)
    return figure


def _lines(table: pd.DataFrame) -> Iterator[_Line]:
    """Curves that the table has."""
    number = 0
    for arm in sorted(table.arm.unique()):
        for source in _STYLES:
            if ((table.arm == arm) & (table.source == source)).any():
                yield _Line(str(arm), source, number)
                number += 1


def _draw_line(
    axes: Axes, table: pd.DataFrame, line: _Line, site: str, lines: int, palette: FigurePalette
) -> list[Point]:
    own = table[(table.arm == line.arm) & (table.source == line.source)]
    if line.source != COPY:  # a copy reads no state, so it is the same in every panel
        own = own[own.site == site]
    points = curve_points(own, "horizon")
    color = palette.methods[sorted(table.arm.unique()).index(line.arm) % len(palette.methods)]
    label = plot_text(f"{line.arm}, {_WORDS[line.source]}")
    draw_bars(axes, points, color, label, _STYLES[line.source], _APART * (line.number - (lines - 1) / 2))
    return points
