"""Losses that regress on a flow or on an endpoint, as pure functions."""

import math

import torch
from torch import Tensor


def flow_matching_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of the predicted flow in fp32, arXiv 2210.02747, equation 23; a scalar."""
    return (predicted.float() - target.float()).square().mean()


def bell_weight(timestep: Tensor, total: float) -> Tensor:
    """Weight of a timestep in [0, 1000] in stage 1 of Causal-Forcing: a bell around 500, zero at 1000.

    w(t) = (exp(-2((t - 500)/1000)²) - exp(-½))·1000/total, where `total` sums the bracket over the 1,000 levels of
    the training schedule (`bell_total`).
    """
    return (torch.exp(-2 * ((timestep - 500) / 1000) ** 2) - math.exp(-0.5)) * (1000 / total)


def bell_total(shift: float) -> float:
    """Sum of the unnormalised bell over the 1,000 levels of a schedule with this timestep shift."""
    level = torch.linspace(1, 0, 1001, dtype=torch.float64)[:-1]
    timestep = 1000 * shift * level / (1 + (shift - 1) * level)
    return float((torch.exp(-2 * ((timestep - 500) / 1000) ** 2) - math.exp(-0.5)).sum())


def weighted_flow_loss(predicted: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Mean over chunks of weight (B, N) x mean squared error of the flow (B, C, L, h, w); a scalar in fp32."""
    error = (predicted.float() - target.float()).square()
    chunk_error: Tensor = error.unflatten(2, (weight.shape[1], -1)).mean(dim=(1, 3, 4, 5))
    return (weight * chunk_error).mean()


def clean_estimate(latents: Tensor, flow: Tensor, sigma: Tensor) -> Tensor:
    """x0 = x - sigma·flow, with sigma broadcast."""
    return latents - sigma * flow


def euler_step(latents: Tensor, flow: Tensor, sigma: float, following: float) -> Tensor:
    """One Euler step of the flow ODE from one noise level to the next."""
    return latents + (following - sigma) * flow


def trajectory_loss(estimate: Tensor, endpoint: Tensor) -> Tensor:
    """Mean squared error between the student's x0 and the end of the teacher's trajectory; a scalar in fp32."""
    return (estimate.float() - endpoint.float()).square().mean()
