"""Heat maps over where a state is read and how far ahead: layer x horizon, a panel per pass and arm."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from probekit.probing.sites import COMMIT, Site
from probekit.reporting.bands import Point, curve_points
from probekit.reporting.figures import LIGHT, FigurePalette, blank_figure
from probekit.visible_text import plot_text

_HORIZON: Final = "horizon"

Maps = Mapping[tuple[str, str], list[Point]]
"""Points by arm and name of the site."""


def site_maps_figure(values: pd.DataFrame, label: str, palette: FigurePalette = LIGHT) -> Figure:
    """The mean over prompts for every arm, site and horizon, with its interval; all panels on one colour scale.

    Args:
        values: columns arm, site (its name), horizon (chunks), prompt_id and value.
        label: what the values are.
        palette: colours.

    Raises:
        UserError: a site's name is none.
    """
    sites = {name: Site.parse(name) for name in dict.fromkeys(values.site)}
    passes = sorted({site.step for site in sites.values()}, key=lambda step: (step is None, step))
    arms = list(dict.fromkeys(values.arm))
    maps = {
        (arm, name): curve_points(values[(values.arm == arm) & (values.site == name)], _HORIZON)
        for arm in arms
        for name in sites
    }
    means = [point.mean for points in maps.values() for point in points]
    figure = blank_figure(1.6 + 2.2 * len(passes), 1.0 + 1.9 * len(arms), palette)
    grid = figure.subplots(len(arms), len(passes), squeeze=False)
    for arm, line in zip(arms, grid, strict=True):
        for step, axis in zip(passes, line, strict=True):
            own = {name: maps[arm, name] for name, site in sites.items() if site.step == step}
            image = _panel(axis, own, sites, (min(means), max(means)))
            axis.set_title(COMMIT if step is None else f"step {step}", fontsize=8)
        line[0].set_ylabel(plot_text(arm), fontsize=8)
    figure.supxlabel(f"chunks ahead\n{_note(maps)}", fontsize=7, color=palette.quiet)
    figure.colorbar(image, ax=grid, label=plot_text(label))
    return figure


def _note(maps: Maps) -> str:
    points = [point for own in maps.values() for point in own]
    prompts = f"n = {max(point.n for point in points)} prompts"
    known = any(point.low is not None for point in points)
    return f"{prompts}; ±: half of the 95% interval" if known else f"{prompts}; no interval"


def _panel(
    axis: Axes, maps: Mapping[str, list[Point]], sites: Mapping[str, Site], scale: tuple[float, float]
) -> AxesImage:
    """One pass of one arm; modules from the first block at the top to the last, the number in each cell."""
    names = sorted(maps, key=lambda name: (sites[name].block, sites[name].stream))
    values = np.array([[point.mean for point in maps[name]] for name in names])
    image = axis.imshow(values, vmin=scale[0], vmax=scale[1], cmap="viridis", aspect="auto")
    horizons = [str(int(point.x)) for point in maps[names[0]]]
    axis.set_xticks(range(len(horizons)), horizons, fontsize=7)
    axis.set_yticks(range(len(names)), [plot_text(sites[name].module) for name in names], fontsize=7)
    middle = float(np.mean(scale))
    for row, name in enumerate(names):
        for column, point in enumerate(maps[name]):
            colour = "black" if point.mean > middle else "white"
            axis.text(column, row, _cell(point), ha="center", va="center", color=colour, fontsize=6)
    return image


def _cell(point: Point) -> str:
    if point.low is None or point.high is None:
        return f"{point.mean:.3g}"
    return f"{point.mean:.3g}\n±{(point.high - point.low) / 2:.1g}"
