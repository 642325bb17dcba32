"""From curves over frames to curves over seconds, and what changes between a video's beginning and its end."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WINDOW_SECONDS: Final = 5.0
_SHORTEST_SECOND: Final = 0.5


class FirstLast(NamedTuple):
    """Means of a curve over a video's first and last seconds."""

    first: float
    last: float

    @property
    def change(self) -> float:
        """Last minus first."""
        return self.last - self.first


def per_second(curve: Floats, fps: float) -> Floats:
    """Mean of each second; what is left at the end counts from half a second on.

    Args:
        curve: (T,), or shorter where a value belongs to several frames; value i belongs to the second of frame i.
        fps: frames per second.
    """
    seconds = (np.arange(len(curve)) / fps).astype(int)
    counts = np.bincount(seconds)
    means: Floats = np.bincount(seconds, weights=curve) / counts
    return means if len(means) == 1 or counts[-1] >= _SHORTEST_SECOND * fps else means[:-1]


def first_last(curve: Floats, fps: float, seconds: float = WINDOW_SECONDS) -> FirstLast | None:
    """Means over the first and the last `seconds`; None where the two would overlap."""
    window = round(seconds * fps)
    if len(curve) < 2 * window or window < 1:
        return None
    return FirstLast(float(curve[:window].mean()), float(curve[-window:].mean()))
