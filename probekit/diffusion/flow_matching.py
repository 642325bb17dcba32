"""Rectified-flow (flow matching) formulas, as Wan uses them: sigma = 1 is noise, sigma = 0 is data.

Lipman et al., arXiv 2210.02747; the timestep shift is that of Esser et al., arXiv 2403.03206, section 5.3.2.
"""

import torch
from torch import Tensor

TIMESTEPS = 1000
"""Models are told sigma as a timestep in [0, 1000]."""


def expand_sigma(sigma: Tensor, like: Tensor) -> Tensor:
    """Append axes to sigma (B,) or (B, 1, L, 1, 1) until it broadcasts against `like`."""
    return sigma.reshape(sigma.shape + (1,) * (like.ndim - sigma.ndim))


def interpolate(clean: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
    """x_sigma = (1 - sigma)·x0 + sigma·noise, with sigma (B,) in [0, 1]."""
    weight = expand_sigma(sigma, clean)
    return (1 - weight) * clean + weight * noise


def velocity_target(clean: Tensor, noise: Tensor) -> Tensor:
    """The flow that the model learns: d x_sigma / d sigma = noise - x0."""
    return noise - clean


def shift_sigma(sigma: Tensor, shift: float) -> Tensor:
    """Move noise levels upwards: shift·sigma / (1 + (shift - 1)·sigma), which keeps 0 and 1."""
    return shift * sigma / (1 + (shift - 1) * sigma)


def stratified_sigmas(count: int, shift: float, rng: torch.Generator) -> Tensor:
    """Noise levels (count,) in (0, 1): one uniform draw in each of `count` equal strata, then shifted.

    Strata spread a batch over all levels, which lowers the variance of the loss and leaves its mean alone.
    """
    uniform = (torch.arange(count) + torch.rand(count, generator=rng)) / count
    return shift_sigma(uniform, shift)


def classifier_free_guidance(conditional: Tensor, unconditional: Tensor, scale: float) -> Tensor:
    """Guided flow u + scale·(c - u), Ho & Salimans, arXiv 2207.12598; scale 1 is the conditional model."""
    return unconditional + scale * (conditional - unconditional)
