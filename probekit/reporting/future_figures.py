"""Futures of one state beside what is read there: the figure, its moving version, and the ranks of readouts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from probekit.media.image_files import read_image
from probekit.probing.future_distances import pixel_spread, rank_histogram
from probekit.probing.future_experiment import StateFutures
from probekit.reporting.contact_sheet import shortened
from probekit.reporting.figures import DOTS_PER_INCH, LIGHT, FigurePalette
from probekit.visible_text import plot_text

SHOWN: Final = 4
"""Futures that are drawn; means and spreads are of all."""
_SIDE = 1.0
_MOVING_DOTS = 100
_BINS = 11
_PUBLISHED: Final = ("current", "r1", "r2", "r3", "r4", "rollout_avg", None, "readout")
"""Names of the published images, in the order of the columns; None where nothing is published."""

Pixels = NDArray[np.uint8]


class FutureRow(NamedTuple):
    """One row of the figure: a label and its pictures, (H, W, 3) uint8 or (H, W) spreads; None leaves a gap."""

    label: str
    pictures: tuple[NDArray[np.generic] | None, ...]


def future_rows(arms: Mapping[str, StateFutures], horizons: Sequence[int]) -> list[FutureRow]:
    """A row per arm and horizon: now, some futures, their mean, spread per pixel, readout."""
    rows = []
    for arm, state in arms.items():
        for horizon in horizons:
            futures = state.at(horizon)
            now = state.videos[0, state.ends[state.chunk]]
            pictures = (*_some(futures), mean_picture(futures), pixel_spread(futures), state.readouts[horizon])
            rows.append(FutureRow(f"{arm}\n+{horizon}", (now, *pictures)))
    return rows


def _some(futures: Pixels) -> list[Pixels | None]:
    return [futures[index] if index < len(futures) else None for index in range(SHOWN)]


def mean_picture(futures: Pixels) -> Pixels:
    """Mean (H, W, 3) uint8 of futures (F, H, W, 3)."""
    mean: Pixels = np.rint(futures.mean(axis=0, dtype=np.float64)).astype(np.uint8)
    return mean


def published_row(folder: Path) -> FutureRow:
    """The published pictures of a folder: current, r1 to r4, rollout_avg and readout, each as .jpg or .png.

    Raises:
        UserError: one of them is absent or no picture.
    """
    return FutureRow("published", tuple(None if name is None else _picture(folder, name) for name in _PUBLISHED))


def _picture(folder: Path, name: str) -> Pixels:
    png = folder / f"{name}.png"
    return read_image(png if png.is_file() else folder / f"{name}.jpg")


def futures_figure(
    rows: Sequence[FutureRow], count: int, prompt: str, palette: FigurePalette = LIGHT, most: float | None = None
) -> Figure:
    """Pictures row by row, nearest neighbour; spreads share one scale, whose end the title of their column says.

    Args:
        rows: rows from the top; pictures of one row may differ in size, and are drawn at one width.
        count: futures that mean and spread are of.
        prompt: what was asked for.
        palette: colours.
        most: spread that is white; None takes the largest of the rows.
    """
    most = most or most_spread(rows)
    titles = [
        "now",
        *(f"future {i + 1}" for i in range(SHOWN)),
        f"mean of {count}",
        f"spread, 0 to {most:.2f}",
        "readout",
    ]
    figure = Figure(
        figsize=(0.9 + _SIDE * len(titles), 0.5 + _SIDE * len(rows)), dpi=DOTS_PER_INCH, layout="constrained"
    )
    figure.set_facecolor(palette.background)
    grid = figure.subplots(len(rows), len(titles), squeeze=False)
    for axes, row in zip(grid, rows, strict=True):
        for axis, picture in zip(axes, row.pictures, strict=True):
            draw_picture(axis, picture, most)
        label = plot_text(row.label)
        axes[0].set_ylabel(label, fontsize=6, color=palette.ink, rotation=0, ha="right", va="center")
    for axis, title in zip(grid[0], titles, strict=True):
        axis.set_title(title, fontsize=7, color=palette.ink)
    figure.suptitle(shortened(prompt), fontsize=7, color=palette.quiet)
    return figure


def most_spread(rows: Sequence[FutureRow]) -> float:
    """The largest spread of all rows; a scale needs one above 0."""
    spreads = [float(part.max()) for row in rows for part in row.pictures if part is not None and part.ndim == 2]
    return max([*spreads, 1e-3])


def draw_picture(axis: Axes, picture: NDArray[np.generic] | None, most: float) -> None:
    """One picture without ticks; a spread in grey, black is 0."""
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    if picture is None:
        return
    axis.imshow(picture, cmap="gray", vmin=0.0, vmax=most, interpolation="nearest")  # colours have no limits


def moving_futures(arms: Mapping[str, StateFutures], horizons: Sequence[int], prompt: str) -> Pixels:
    """The figure in motion, (T, H, W, 3) uint8: every frame after the fork, with the readout of the next horizon.

    Height and width are even, as players want them.
    """
    states = list(arms.values())
    fork, last = (states[0].ends[states[0].chunk + ahead] for ahead in (0, max(horizons)))
    stills = [_moving_rows(arms, horizons, frame) for frame in range(fork, last + 1)]
    most = max(most_spread(rows) for rows in stills)
    figure = futures_figure(stills[0], len(states[0].videos), prompt, most=most)
    figure.set_dpi(_MOVING_DOTS)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    figure.set_layout_engine("none")  # what was laid out once stays where it is
    frames = np.stack([_redrawn(canvas, rows) for rows in stills])
    height, width = (side - side % 2 for side in frames.shape[1:3])
    return np.ascontiguousarray(frames[:, :height, :width])


def _redrawn(canvas: FigureCanvasAgg, rows: Sequence[FutureRow]) -> Pixels:
    axes, columns = canvas.figure.axes, len(rows[0].pictures)
    for index, row in enumerate(rows):
        own = axes[index * columns : (index + 1) * columns]
        own[0].yaxis.label.set_text(plot_text(row.label))
        for axis, picture in zip(own, row.pictures, strict=True):
            if picture is not None:
                axis.images[0].set_data(picture)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels: Pixels = np.asarray(canvas.buffer_rgba())[..., :3].copy()  # type: ignore[no-untyped-call]
    return pixels


def _moving_rows(arms: Mapping[str, StateFutures], horizons: Sequence[int], frame: int) -> list[FutureRow]:
    rows = []
    for arm, state in arms.items():
        coming = next(one for one in sorted(horizons) if state.ends[state.chunk + one] >= frame)
        futures = state.videos[:, frame]
        now = state.videos[0, state.ends[state.chunk]]
        pictures = (*_some(futures), mean_picture(futures), pixel_spread(futures), state.readouts[coming])
        rows.append(FutureRow(f"{arm}\nreadout +{coming}", (now, *pictures)))
    return rows


def ranks_figure(
    ranks: Mapping[str, NDArray[np.int64]], futures: int, reliability: pd.DataFrame, palette: FigurePalette = LIGHT
) -> Figure:
    """Left: ranks of readouts among the futures. Right: how often futures are where the world says, and how often.

    Args:
        ranks: ranks by arm, of 0 to `futures`.
        futures: futures per state.
        reliability: rows of `future_tests.reliability_rows`; none leaves the right panel out.
        palette: colours.
    """
    figure = Figure(figsize=(7.6, 3.0), dpi=DOTS_PER_INCH, layout="constrained")
    figure.set_facecolor(palette.background)
    left, *right = figure.subplots(1, 2 if len(reliability) else 1, squeeze=False)[0]
    _draw_ranks(left, ranks, futures, palette)
    for axes in right:
        _draw_reliability(axes, reliability, list(ranks), palette)
    for axes in (left, *right):
        axes.set_facecolor(palette.background)
        axes.tick_params(colors=palette.quiet, length=0, labelsize=7)
        axes.spines[:].set_visible(False)
        axes.grid(color=palette.grid, linewidth=0.6)
        axes.set_axisbelow(True)
    left.legend(frameon=False, fontsize=7, labelcolor=palette.ink)
    return figure


def _draw_ranks(axes: Axes, ranks: Mapping[str, NDArray[np.int64]], futures: int, palette: FigurePalette) -> None:
    bins = min(_BINS, futures + 1)
    for index, (arm, own) in enumerate(ranks.items()):
        heights = rank_histogram(own, futures, bins) / max(1, len(own))
        place = np.arange(bins) + (index - (len(ranks) - 1) / 2) * 0.4
        axes.bar(place, heights, 0.4, color=palette.methods[index % len(palette.methods)], label=plot_text(arm))
    axes.axhline(1 / bins, color=palette.ink, linewidth=0.8, linestyle="--")
    axes.set_title("rank of the readout by distance from the mean", loc="left", fontsize=8, color=palette.ink)
    ends = ["nearest", *[""] * (bins - 2), "farthest"]
    axes.set_xticks(range(bins), ends)
    axes.set_ylabel("share of states", fontsize=7, color=palette.quiet)


def _draw_reliability(axes: Axes, table: pd.DataFrame, arms: Sequence[str], palette: FigurePalette) -> None:
    axes.plot([0, 1], [0, 1], color=palette.ink, linewidth=0.8, linestyle="--")
    for index, arm in enumerate(arms):
        own = table[table.arm == arm].groupby("world").futures.mean()
        axes.plot(own.index, own.to_numpy(), "o", markersize=4, color=palette.methods[index % len(palette.methods)])
    axes.set_title("places of the sprite", loc="left", fontsize=8, color=palette.ink)
    axes.set_xlabel("probability in the world", fontsize=7, color=palette.quiet)
    axes.set_ylabel("share of futures", fontsize=7, color=palette.quiet)
