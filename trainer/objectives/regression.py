"""Losses that regress on a flow or on an endpoint, as pure functions."""

import math

import torch
from torch import Tensor

from probekit.diffusion.flow_matching import TIMESTEPS
from probekit.diffusion.noise_table import table_sigmas


def flow_matching_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of the predicted flow in fp32, arXiv 2210.02747, equation 23; a scalar."""
    return (predicted.float() - target.float()).square().mean()


def bell_weight(timestep: Tensor, total: float) -> Tensor:
    """Weight of a timestep in [0, 1000] in stage 1 of Causal-Forcing: a bell around 500, zero at 1000.

    w(t) = (exp(-2((t - 500)/1000)²) - exp(-½))·1000/total, where `total` sums the bracket over the 1,000 levels of
    the training schedule (`bell_total`).
    """
    return _bell(timestep) * (TIMESTEPS / total)


def bell_total(shift: float) -> float:
    """Sum of the unnormalised bell over the 1,000 levels of a schedule with this timestep shift."""
    return float(_bell(table_sigmas(shift, torch.float64) * TIMESTEPS).sum())


def _bell(timestep: Tensor) -> Tensor:
    return torch.exp(-2 * ((timestep - TIMESTEPS / 2) / TIMESTEPS) ** 2) - math.exp(-0.5)


def weighted_flow_loss(predicted: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Mean over chunks of weight (B, N) x mean squared error of the flow (B, C, L, h, w); a scalar in fp32."""
    error = (predicted.float() - target.float()).square()
    chunk_error: Tensor = error.unflatten(2, (weight.shape[1], -1)).mean(dim=(1, 3, 4, 5))
    return (weight * chunk_error).mean()


def trajectory_loss(estimate: Tensor, endpoint: Tensor) -> Tensor:
    """Mean squared error between the student's x0 and the end of the teacher's trajectory; a scalar in fp32."""
    return (estimate.float() - endpoint.float()).square().mean()
