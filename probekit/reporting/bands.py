"""Means of a tidy table with their intervals over prompts, and how a curve of them is drawn: line, band, and n.

The interval follows the rule of every comparison: none below six prompts, Student's t below fifty.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from matplotlib.axes import Axes

from probekit.seeding import generator
from probekit.statistics.interval_choice import MIN_INTERVAL_PROMPTS
from probekit.statistics.paired_means import paired_means

if TYPE_CHECKING:
    import pandas as pd

REPLICATES: Final = 1000
LEVEL: Final = 0.95
_CLEAR: Final = 0.22


class Point(NamedTuple):
    """One point of a curve.

    Attributes:
        x: place on the axis.
        mean: mean over units.
        low: lower end of the 95 % interval; None without one.
        high: upper end.
        n: units behind the mean.
    """

    x: float
    mean: float
    low: float | None
    high: float | None
    n: int


def curve_points(values: "pd.DataFrame", x: str, unit: str = "prompt_id", seed: int = 0) -> list[Point]:
    """Means over units of the column `value`, place by place; what a unit has several times is averaged first.

    Args:
        values: tidy rows of one curve; rows without a value are left out.
        x: column of the places.
        unit: column of what is resampled.
        seed: seed of the resampling.
    """
    means = values.dropna(subset=["value"]).groupby([x, unit], observed=True).value.mean()
    places: list[tuple[Any, Any]] = list(means.groupby(level=0))
    return [_point(float(place), group.to_numpy(dtype=float), seed) for place, group in places]


def _point(place: float, own: "np.ndarray[Any, np.dtype[np.float64]]", seed: int) -> Point:
    rng = generator("bands", seed)
    found = paired_means("mean", own, np.zeros_like(own), rng=rng, replicates=REPLICATES, level=LEVEL)
    return Point(place, float(own.mean()), found.low, found.high, len(own))


def draw_band(axes: Axes, points: Sequence[Point], color: str, label: str = "", style: Any = "-") -> None:
    """The means as a line, and their intervals as a band where every point has one.

    Args:
        axes: panel.
        points: points from the left.
        color: colour of both.
        label: name in the legend; empty is none.
        style: style of the line.
    """
    places = [point.x for point in points]
    axes.plot(places, [point.mean for point in points], style, color=color, linewidth=2.0, label=label or None)
    ends = [(point.low, point.high) for point in points if point.low is not None and point.high is not None]
    if ends and len(ends) == len(points):
        lows, highs = zip(*ends, strict=True)
        axes.fill_between(places, lows, highs, color=color, alpha=_CLEAR, linewidth=0)


def draw_bars(
    axes: Axes, points: Sequence[Point], color: str, label: str = "", style: Any = "-", shift: float = 0.0
) -> None:
    """The means as a line with markers, and the interval of each as a bar.

    Args:
        axes: panel.
        points: points from the left.
        color: colour of both.
        label: name in the legend; empty is none.
        style: style of the line.
        shift: distance to the right, so that bars of several curves do not hide one another.
    """
    places = [point.x + shift for point in points]
    means = [point.mean for point in points]
    axes.plot(places, means, style, marker="o", markersize=3, color=color, linewidth=1.2, label=label or None)
    for place, point in zip(places, points, strict=True):
        if point.low is not None and point.high is not None:
            axes.plot([place, place], [point.low, point.high], "-", color=color, linewidth=2.0, alpha=0.5)


def interval_note(points: Sequence[Point], units: str = "prompts", shape: str = "band") -> str:
    """What a reader must know of the curves, such as ``n = 40 prompts; band: 95% interval of the mean``.

    Args:
        points: points of all curves.
        units: what n counts.
        shape: word for what shows the interval.
    """
    if not points:
        return f"n = 0 {units}"
    counts = sorted({point.n for point in points})
    many = str(counts[-1]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    if many == "1":
        units = re.sub(r"s\b", "", units, count=1)
    known = sum(point.low is not None for point in points)
    if not known:
        reason = f"fewer than {MIN_INTERVAL_PROMPTS}" if counts[-1] < MIN_INTERVAL_PROMPTS else "they do not differ"
        return f"n = {many} {units}; no interval ({reason})"
    partly = "" if known == len(points) else ", where there is one"
    return f"n = {many} {units}; {shape}: {LEVEL:.0%} interval of the mean{partly}"
