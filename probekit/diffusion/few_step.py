"""Noise levels of few-step and Euler samplers; torch-free.

A step of the unshifted grid 1000 … 0 becomes t = 1000·s·u / (1 + (s - 1)·u), u = step/1000 (Self-Forcing calls this the
warp), so that [1000, 750, 500, 250] with shift 5 are t = 1000, 937.5, 833.3 and 625.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from probekit.diffusion.flow_matching import TIMESTEPS, shift_sigma

FEW_STEPS: Final = (1000, 750, 500, 250)
"""Self-Forcing's four steps, before the shift."""


def _descending(steps: tuple[int, ...]) -> tuple[int, ...]:
    if any(later >= earlier for earlier, later in pairwise(steps)):
        raise ValueError("steps must fall, and none may stand twice")
    return steps


FewSteps = Annotated[
    tuple[Annotated[int, Field(gt=0, le=TIMESTEPS)], ...],
    Field(min_length=1, max_length=1000),
    AfterValidator(_descending),
]
"""A list of steps in a configuration, highest first."""
SolverSteps = Annotated[int, Field(gt=0, le=10_000)]
"""Number of steps of an Euler or another solver, in a configuration."""
Guidance = Annotated[float, Field(ge=1, allow_inf_nan=False)]
"""Scale w of classifier-free guidance, u + w·(c - u), in a configuration; 1 is no guidance."""
Shift = Annotated[float, Field(gt=0, allow_inf_nan=False)]
"""Timestep shift of noise levels, in a configuration."""


def few_step_sigmas(steps: Sequence[int] = FEW_STEPS, shift: float = 5.0) -> tuple[float, ...]:
    """Noise levels of a few-step student, highest first."""
    return tuple(shift_sigma(step / TIMESTEPS, shift) for step in steps)


def euler_sigmas(steps: int, shift: float) -> tuple[float, ...]:
    """Noise levels of an Euler solver: `steps` + 1 values from 1 to 0, even in u before the shift."""
    return tuple(shift_sigma(1 - index / steps, shift) for index in range(steps + 1))


def grid_position(step: int, euler_steps: int) -> Fraction:
    """Index of the Euler step that begins at a few-step level; no whole number where the grid lacks that level."""
    return Fraction((TIMESTEPS - step) * euler_steps, TIMESTEPS)
