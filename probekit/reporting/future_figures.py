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
from probekit.probing.future_distances import pixel_spread
from probekit.probing.future_experiment import StateFutures
from probekit.reporting.bands import Point, curve_points, interval_note
from probekit.reporting.contact_sheet import shortened
from probekit.reporting.figures import LIGHT, FigurePalette, blank_figure, style_panel
from probekit.visible_text import plot_text

SHOWN: Final = 4
"""Futures that are drawn; means and spreads are of all."""
_SIDE = 1.0
_MOVING_DOTS = 100
_BINS = 11
_BAR: Final = 0.4
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
            now = state.videos[0, state.ends[state.chunk]]
            rows.append(future_row(f"{arm}\n+{horizon}", now, state.at(horizon), state.readouts[horizon]))
    return rows


def future_row(label: str, now: Pixels, futures: Pixels, readout: Pixels) -> FutureRow:
    """One row of the figure.

    Args:
        label: words to its left.
        now: (H, W, 3) last frame that the futures share.
        futures: (F, H, W, 3) all of them at one horizon.
        readout: (H, W, 3) what is read in the state.
    """
    return FutureRow(label, (now, *_some(futures), mean_picture(futures), pixel_spread(futures), readout))


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
    figure = blank_figure(0.9 + _SIDE * len(titles), 0.7 + _SIDE * len(rows), palette)
    grid = figure.subplots(len(rows), len(titles), squeeze=False)
    for axes, row in zip(grid, rows, strict=True):
        for axis, picture in zip(axes, row.pictures, strict=True):
            draw_picture(axis, picture, most)
        label = plot_text(row.label)
        axes[0].set_ylabel(label, fontsize=6, color=palette.ink, rotation=0, ha="right", va="center")
    for axis, title in zip(grid[0], titles, strict=True):
        axis.set_title(title, fontsize=7, color=palette.ink)
    figure.suptitle(shortened(prompt), fontsize=7, color=palette.quiet)
    note = f"one state per model; mean and spread of its n = {count} futures"
    figure.supxlabel(note, fontsize=6, color=palette.quiet)
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
        now = state.videos[0, state.ends[state.chunk]]
        label = f"{arm}\nreadout +{coming}"
        rows.append(future_row(label, now, state.videos[:, frame], state.readouts[coming]))
    return rows


def ranks_figure(values: pd.DataFrame, reliability: pd.DataFrame, palette: FigurePalette = LIGHT) -> Figure:
    """Left: ranks of readouts among the futures. Right: how often futures are where the world says, and how often.

    Args:
        values: rows with arm, prompt_id, futures and rank; all horizons together.
        reliability: rows of `future_tests.reliability_rows`; none leaves the right panel out.
        palette: colours.
    """
    figure = blank_figure(7.6, 3.2, palette)
    left, *right = figure.subplots(1, 2 if len(reliability) else 1, squeeze=False)[0]
    arms = [str(arm) for arm in dict.fromkeys(values.arm)]
    points = _draw_ranks(left, values, arms, palette)
    for axes in right:
        _draw_reliability(axes, reliability, arms, palette)
    left.legend(frameon=False, fontsize=7, labelcolor=palette.ink)
    note = f"{interval_note(points, 'prompts', 'bar')}; {int(values.futures.max())} futures per state"
    figure.supxlabel(note, fontsize=7, color=palette.quiet)
    return figure


def _draw_ranks(axes: Axes, values: pd.DataFrame, arms: Sequence[str], palette: FigurePalette) -> list[Point]:
    """Share of states in each range of ranks, a prompt's horizons together; returns the points."""
    futures = int(values.futures.max())
    bins, drawn = min(_BINS, futures + 1), list[Point]()
    for index, arm in enumerate(arms):
        own = values[values.arm == arm]
        points = curve_points(rank_shares(own, futures, bins), "range")
        place = [point.x + (index - (len(arms) - 1) / 2) * _BAR for point in points]
        color = palette.methods[index % len(palette.methods)]
        axes.bar(place, [point.mean for point in points], _BAR, color=color, label=plot_text(arm))
        for x, point in zip(place, points, strict=True):
            if point.low is not None and point.high is not None:
                axes.plot([x, x], [max(0.0, point.low), point.high], color=palette.ink, linewidth=0.9)
        drawn += points
    axes.axhline(1 / bins, color=palette.ink, linewidth=0.8, linestyle="--")
    style_panel(axes, "rank of the readout by distance from the mean", palette)
    ends = ["nearest", *[""] * (bins - 2), "farthest"]
    axes.set_xticks(range(bins), ends)
    axes.set_ylabel("share of states", fontsize=7, color=palette.quiet)
    return drawn


def rank_shares(values: pd.DataFrame, futures: int, bins: int) -> pd.DataFrame:
    """Tidy rows of a histogram: 1 in the range that a state's rank lies in, 0 in the others.

    Args:
        values: rows with prompt_id and rank.
        futures: futures per state; ranks are 0 to that number.
        bins: equal ranges of ranks.
    """
    ranges = values["rank"].to_numpy(dtype=np.int64) * bins // (futures + 1)
    return pd.DataFrame(
        {
            "prompt_id": np.repeat(values.prompt_id.to_numpy(), bins),
            "range": np.tile(np.arange(bins), len(values)),
            "value": (ranges[:, None] == np.arange(bins)).reshape(-1).astype(float),
        }
    )


def _draw_reliability(axes: Axes, table: pd.DataFrame, arms: Sequence[str], palette: FigurePalette) -> None:
    """One marker per arm, horizon and range of probability, with the interval of the share."""
    axes.plot([0, 1], [0, 1], color=palette.ink, linewidth=0.8, linestyle="--")
    for index, arm in enumerate(arms):
        color = palette.methods[index % len(palette.methods)]
        own = table[table.arm == arm]
        axes.plot(own.world, own.futures, "o", markersize=4, color=color)
        for world, low, high in own[["world", "low", "high"]].astype(float).dropna().to_numpy().tolist():
            axes.plot([world, world], [low, high], color=color, linewidth=1.2, alpha=0.6)
    bare = "" if table.low.notna().any() else ", no interval"
    style_panel(axes, f"places of the sprite, n = {int(table.prompts.max())} prompts{bare}", palette)
    axes.set_xlabel("probability in the world", fontsize=7, color=palette.quiet)
    axes.set_ylabel("share of futures", fontsize=7, color=palette.quiet)
