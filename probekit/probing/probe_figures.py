"""Figures of the probes: error by horizon, and the distribution of futures beside what the probes read."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from probekit.atomic_files import atomic_path
from probekit.probing.futures import Futures
from probekit.probing.probe_settings import COPY, TRAINED, UNTRAINED
from probekit.visible_text import plot_text

_STYLES = {TRAINED: "-", UNTRAINED: ":"}


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=300, format="png", bbox_inches="tight")
    plt.close(figure)


def plot_probe_errors(table: pd.DataFrame, metric: str, path: Path) -> None:
    """One panel per site: mean over held-out prompts by horizon, of both arms, their untrained twins and copies."""
    means = table[table.metric_id == metric].groupby(["arm", "source", "site", "horizon"], dropna=False).value.mean()
    depths = list(dict.fromkeys(table.site.dropna()))
    figure, axes = plt.subplots(1, len(depths), figsize=(3.4 * len(depths), 3.2), sharey=True, squeeze=False)
    for axis, depth in zip(axes[0], depths, strict=True):
        for index, arm in enumerate(sorted(table.arm.unique())):
            for source, style in _STYLES.items():
                line = means.loc[arm, source, depth]
                axis.plot(
                    line.index, line.values, style, color=f"C{index}", marker="o", label=plot_text(f"{arm}, {source}")
                )
            copy = table[(table.metric_id == metric) & (table.arm == arm) & (table.source == COPY)]
            line = copy.groupby("horizon").value.mean()
            axis.plot(
                line.index, line.values, "--", color=f"C{index}", label=plot_text(f"{arm}, copy of the current frame")
            )
        axis.set(title=depth, xlabel="chunks ahead", xticks=sorted(table.horizon.unique()))
    axes[0][0].set_ylabel(f"{metric.split(':')[0]}, mean of {table.prompt_id.nunique()} prompts")
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="lower center", ncols=2, bbox_to_anchor=(0.5, -0.28))
    _save(figure, path)


def plot_futures(
    futures: Mapping[str, Futures], readouts: Mapping[str, NDArray[np.uint8]], prompt: str, path: Path
) -> None:
    """For each arm and horizon: the current frame, the continuations, their mean, the probe's readout.

    Args:
        futures: futures by arm.
        readouts: readouts by arm, (K, H, W, 3) uint8, one for each horizon.
        prompt: what was asked for.
        path: path of the PNG.
    """
    rows = [(arm, index) for arm, found in futures.items() for index in range(len(found.horizons))]
    count = len(next(iter(futures.values())).continuations)
    titles = ["now", *[f"future {i + 1}" for i in range(count)], "mean of futures", "readout"]
    figure, axes = plt.subplots(len(rows), len(titles), figsize=(1.25 * len(titles), 1.35 * len(rows)), squeeze=False)
    for line, (arm, index) in zip(axes, rows, strict=True):
        found = futures[arm]
        images = [found.current, *found.continuations[:, index], found.mean()[index], readouts[arm][index]]
        _show(line, images)
        line[0].set_ylabel(plot_text(f"{arm}\n+{found.horizons[index]}"), fontsize=7)
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, fontsize=7)
    figure.suptitle(plot_text(prompt), fontsize=8)
    _save(figure, path)


def _show(axes: Sequence[Axes], images: Sequence[NDArray[np.uint8]]) -> None:
    for axis, image in zip(axes, images, strict=True):
        axis.imshow(image, interpolation="nearest")
        axis.set(xticks=[], yticks=[])
