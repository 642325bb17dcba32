"""The official code's noise levels: the nearest entry of a table of 1,000, where ours is timestep / 1000 exactly.

Self-Forcing's `FlowMatchScheduler` with `extra_one_step` and `sigma_min` 0. Its last entry is not 0, so the clean
timestep 0 is read as a little noise: sigma = 0.00498 with shift 5.
"""

from typing import Final

import torch
from torch import Tensor

from probekit.diffusion.flow_matching import TIMESTEPS, shift_sigma

GENERATOR_SHIFT: Final = 5.0
SCORE_SHIFT: Final = 8.0
"""The official score models are built with another shift than the generator."""


def table_sigmas(shift: float, dtype: torch.dtype = torch.float32) -> Tensor:
    """The 1,000 noise levels of a schedule, highest first."""
    return shift_sigma(torch.linspace(1, 0, TIMESTEPS + 1, dtype=dtype)[:-1], shift)


def nearest_table_sigma(timestep: Tensor, shift: float) -> Tensor:
    """Noise level of the table's entry whose timestep is nearest; same shape as `timestep`, in (0, 1]."""
    table = table_sigmas(shift).to(timestep.device)
    nearest = (table * TIMESTEPS - timestep[..., None]).abs().argmin(dim=-1)
    return table[nearest]
