"""Heat maps over where a state is read and how far ahead: layer x horizon, a panel per pass and arm."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from probekit.probing.sites import COMMIT, Site
from probekit.reporting.figures import save_figure
from probekit.visible_text import plot_text


def plot_site_maps(means: pd.DataFrame, label: str, path: Path) -> None:
    """One number for every arm, site and horizon, all panels on one colour scale.

    Args:
        means: columns arm, site (its name), horizon (chunks) and value; one row each.
        label: what the values are.
        path: path of the PNG.

    Raises:
        UserError: a site's name is none.
    """
    sites = {name: Site.parse(name) for name in dict.fromkeys(means.site)}
    passes = sorted({site.step for site in sites.values()}, key=lambda step: (step is None, step))
    arms = list(dict.fromkeys(means.arm))
    low, high = float(means.value.min()), float(means.value.max())
    size = (1.6 + 2.2 * len(passes), 0.8 + 1.9 * len(arms))
    figure, axes = plt.subplots(len(arms), len(passes), figsize=size, squeeze=False, layout="constrained", dpi=150)
    for arm, line in zip(arms, axes, strict=True):
        for step, axis in zip(passes, line, strict=True):
            there = means[(means.arm == arm) & means.site.map(lambda name, step=step: sites[name].step == step)]
            image = _panel(axis, there, sites, (low, high))
            axis.set_title(COMMIT if step is None else f"step {step}", fontsize=8)
        line[0].set_ylabel(plot_text(arm), fontsize=8)
    figure.supxlabel("chunks ahead", fontsize=8)
    figure.colorbar(image, ax=axes, label=plot_text(label))
    save_figure(figure, path)
    plt.close(figure)


def _panel(axis: Axes, there: pd.DataFrame, sites: dict[str, Site], scale: tuple[float, float]) -> AxesImage:
    """One pass of one arm; modules from the first block at the top to the last, the number in each cell."""
    modules = sorted({sites[name] for name in there.site}, key=lambda site: (site.block, site.stream))
    grid = there.assign(module=there.site.map(lambda name: sites[name].module))
    table = grid.pivot(index="module", columns="horizon", values="value").loc[[site.module for site in modules]]
    values = table.to_numpy(dtype=float)
    image = axis.imshow(values, vmin=scale[0], vmax=scale[1], cmap="viridis", aspect="auto")
    axis.set_xticks(range(len(table.columns)), [str(horizon) for horizon in table.columns], fontsize=7)
    axis.set_yticks(range(len(table.index)), [plot_text(name) for name in table.index], fontsize=7)
    middle = np.mean(scale)
    for (row, column), value in np.ndenumerate(values):
        colour = "black" if value > middle else "white"
        axis.text(column, row, f"{value:.3g}", ha="center", va="center", color=colour, fontsize=6)
    return image
