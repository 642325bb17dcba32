"""Figures of a comparison, drawn without pyplot, so that no global state decides how they look.

Equal input gives equal bytes: files carry no date and SVG identifiers are salted with a constant.
"""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from probekit.atomic_files import atomic_path
from probekit.reporting.cells import STAR, level_text, quantity_text
from probekit.reporting.comparison_record import ComparisonRecord, ComparisonRow
from probekit.reporting.summary import prompts_text
from probekit.visible_text import plot_text

DOTS_PER_INCH = 160
"""Resolution in which sizes of pictures are worked out; files have `PRINTED_DOTS`."""
PRINTED_DOTS = 300
_METHOD_SPACING = 0.24
_INCHES_A_ROW = 0.34
_CAPTION_LETTERS = 76
"""Letters in a line of the caption: as many as fit under the axes."""
_POINTS = 72
_LETTER = 0.62
_MARK = 4.8
"""Widths of a letter and of a legend's mark with its gaps, in sizes of the letters."""


class FigurePalette(NamedTuple):
    """Colours of a figure."""

    background: str
    ink: str
    quiet: str
    grid: str
    methods: tuple[str, ...]
    """One for each method, told apart without red and green."""


LIGHT = FigurePalette("#ffffff", "#191d23", "#59636e", "#dde2e8", ("#1d5fa6", "#b1470a", "#5b3a8e", "#00706b"))
DARK = FigurePalette("#14171b", "#e7eaee", "#a2acb7", "#343b44", ("#7db4ee", "#f0a267", "#bfa3ee", "#5fcac3"))


def forest_plot(record: ComparisonRecord, palette: FigurePalette = LIGHT) -> Figure:
    """Differences in percentage points with their intervals, one line per quantity.

    A filled marker is a star: its interval excludes 0. A quantity without a value keeps its line and says so.
    """
    quantities = list(dict.fromkeys(row.quantity for row in record.rows))
    lines = len(quantities) * (1.0 + _METHOD_SPACING * (len(record.methods) - 1))
    figure = blank_figure(7.6, 1.35 + _INCHES_A_ROW * lines, palette)
    axes = figure.add_subplot()
    for index, method in enumerate(record.methods):
        color = palette.methods[index % len(palette.methods)]
        offset = (index - (len(record.methods) - 1) / 2) * _METHOD_SPACING
        for row in record.rows:
            if row.method == method:
                _draw_row(axes, row, quantities.index(row.quantity) + offset, color, palette)
        axes.plot([], [], "o", color=color, label=plot_text(method))
    _label_quantities(axes, record, quantities, palette)
    _style(axes, record, palette)
    return figure


def legend_columns(names: Sequence[str], width: float, size: float) -> int:
    """Columns of a legend that fit side by side, however long the names are.

    Args:
        names: names in the legend.
        width: width of the figure in inches.
        size: size of the letters in points.
    """
    entry = (_LETTER * max(map(len, names)) + _MARK) * size / _POINTS
    return max(1, min(len(names), int(width / entry)))


def blank_figure(width: float, height: float, palette: FigurePalette = LIGHT) -> Figure:
    """An empty figure of some inches in the one style."""
    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, layout="constrained")
    figure.set_facecolor(palette.background)
    return figure


def style_panel(axes: Axes, title: str, palette: FigurePalette = LIGHT) -> None:
    """Title, colours and grid of a panel in the one style."""
    axes.set_title(title, loc="left", fontsize=8, color=palette.ink)
    axes.set_facecolor(palette.background)
    axes.grid(color=palette.grid, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(colors=palette.quiet, length=0, labelsize=7)
    axes.spines[:].set_visible(False)


def save_figure(figure: Figure, path: Path) -> None:
    """Write ``figure`` atomically in the format of the suffix (``.png``, ``.svg``, ``.pdf``).

    PNG has 300 dots per inch. PDF embeds its fonts as outlines that editors read, and SVG draws letters as paths.

    Raises:
        UserError: The target cannot be written.
    """
    metadata = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(path.suffix, {})
    fonts = matplotlib.rc_context({"svg.hashsalt": "probekit", "svg.fonttype": "path", "pdf.fonttype": 42})
    with atomic_path(path) as temporary, fonts:
        figure.savefig(temporary, dpi=PRINTED_DOTS, metadata=metadata, facecolor=figure.get_facecolor())


def _draw_row(axes: Axes, row: ComparisonRow, y: float, color: str, palette: FigurePalette) -> None:
    if row.difference is None:
        axes.text(0.0, y, f" {row.reason}", color=palette.quiet, fontsize=8, fontstyle="italic", va="center")
        return
    if row.low is not None and row.high is not None:
        axes.plot([row.low, row.high], [y, y], color=color, linewidth=2.0 if row.star else 1.2, solid_capstyle="butt")
    face = color if row.star else palette.background
    axes.plot([row.difference], [y], "o", markersize=6, mfc=face, mec=color, mew=1.3)


def _label_quantities(axes: Axes, record: ComparisonRecord, quantities: Sequence[str], palette: FigurePalette) -> None:
    starred = {row.quantity for row in record.rows if row.star}
    names = [f"{quantity_text(name, record.settings.suite)}{f' {STAR}' * (name in starred)}" for name in quantities]
    axes.set_yticks(range(len(quantities)), names)
    groups = {row.quantity: row.group for row in record.rows}
    for label, quantity in zip(axes.get_yticklabels(), quantities, strict=True):
        label.set_fontweight("bold" if groups[quantity] == "aggregate" else "normal")
    for position in range(1, len(quantities)):
        if groups[quantities[position]] != groups[quantities[position - 1]]:
            axes.axhline(position - 0.5, color=palette.grid, linewidth=1.0, zorder=0)
    axes.set_ylim(len(quantities) - 0.5, -0.5)


def _style(axes: Axes, record: ComparisonRecord, palette: FigurePalette) -> None:
    axes.axvline(0.0, color=palette.ink, linewidth=1.0, zorder=0)
    axes.set_facecolor(palette.background)
    axes.grid(axis="x", color=palette.grid, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(colors=palette.ink, length=0, labelsize=9)
    axes.spines[["left", "right", "top"]].set_visible(False)
    axes.spines["bottom"].set_color(palette.grid)
    what = f"difference from {record.baseline} in percentage points, {level_text(record)} interval,"
    size = f"n = {prompts_text(record.rows)}"
    lines = [*textwrap.wrap(plot_text(what), _CAPTION_LETTERS), size]
    caption = f"{lines[0]} {size}" if len(f"{what} {size}") <= _CAPTION_LETTERS else "\n".join(lines)
    axes.set_xlabel(caption, color=palette.quiet, fontsize=9)
    figure = axes.get_figure(root=True)
    if len(record.methods) > 1 and figure is not None:
        names = [plot_text(method) for method in record.methods]
        columns = legend_columns(names, figure.get_figwidth(), 9)
        figure.legend(loc="outside upper left", ncols=columns, frameon=False, fontsize=9, labelcolor=palette.ink)
    else:
        axes.set_title(plot_text(record.methods[0]), loc="left", color=palette.ink, fontsize=10)
