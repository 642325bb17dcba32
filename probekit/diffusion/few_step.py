"""Noise levels of few-step and Euler samplers; torch-free.

The warp is Self-Forcing's: a step of the unshifted grid 1000 … 0 becomes t = 1000·s·u / (1 + (s - 1)·u), u = step/1000,
so that [1000, 750, 500, 250] with shift 5 are t = 1000, 937.5, 833.3 and 625.
"""

from collections.abc import Sequence
from typing import Final

FEW_STEPS: Final = (1000, 750, 500, 250)
"""Self-Forcing's four steps, before the warp."""


def warp(level: float, shift: float) -> float:
    """Timestep shift of one noise level in [0, 1], arXiv 2403.03206, section 5.3.2."""
    return shift * level / (1 + (shift - 1) * level)


def few_step_sigmas(steps: Sequence[int] = FEW_STEPS, shift: float = 5.0) -> tuple[float, ...]:
    """Noise levels of a few-step student, highest first."""
    return tuple(warp(step / 1000, shift) for step in steps)


def euler_sigmas(steps: int, shift: float) -> tuple[float, ...]:
    """Noise levels of an Euler solver: `steps` + 1 values from 1 to 0, even in u before the warp."""
    return tuple(warp(1 - index / steps, shift) for index in range(steps + 1))
