"""How far rounding may carry a raw score beyond the range of its formula: the one tolerance of scores and means."""

from typing import Final

RANGE_TOLERANCE: Final = 1e-6
"""By how much float32 cosines, and means of them, may leave the bounds of their formula."""


def in_range(value: float, low: float, high: float) -> bool:
    """Whether a formula with the range [low, high] can give a value, up to rounding; NaN is in no range."""
    return low - RANGE_TOLERANCE <= value <= high + RANGE_TOLERANCE
