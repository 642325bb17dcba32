"""Distances between predicted and encoded features, and the regulariser of the predicted ones."""

import math

import torch
from torch import Tensor
from torch.nn import functional


def cosine_distance(predicted: Tensor, target: Tensor) -> Tensor:
    """1 - cosine over the channel axis, mean over tokens (arXiv 2606.03971, equation 3); a scalar in fp32.

    Each vector is first divided by its largest magnitude, so that huge features do not overflow; a zero vector has
    cosine 0.
    """
    return (1 - functional.cosine_similarity(_unit_maximum(predicted), _unit_maximum(target), dim=-1)).mean()


def mean_squared_distance(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean squared error after scaling both by the target's root mean square; a scalar in fp32.

    The scale makes λ mean the same for encoders of any feature size; it is that of the target alone, and 1 for a target
    of zeros. It is taken relative to the largest magnitude, so that squares of huge features do not overflow.
    """
    largest = target.float().abs().amax()
    largest = torch.where(largest > 0, largest, 1.0)
    relative = (target.float() / largest).square().mean().sqrt()
    scale = largest * torch.where(relative > 0, relative, 1.0)
    return (predicted.float() / scale - target.float() / scale).square().mean()


def _unit_maximum(x: Tensor) -> Tensor:
    x = x.float()
    largest = x.detach().abs().amax(dim=-1, keepdim=True)
    return x / torch.where(largest > 0, largest, 1.0)


def random_directions(width: int, count: int, seed: int) -> Tensor:
    """Unit vectors (width, count), drawn from the seed."""
    directions = torch.randn(width, count, generator=torch.Generator().manual_seed(seed % 2**63))
    unit: Tensor = directions / directions.norm(dim=0, keepdim=True)
    return unit


def sigreg(features: Tensor, directions: Tensor, points: int = 17, reach: float = 5.0) -> Tensor:
    """Sketched isotropic-Gaussian regulariser: Epps-Pulley statistic of projections (LeJEPA, arXiv 2511.08544).

    For each direction, the squared distance of the empirical characteristic function to that of a standard normal,
    integrated under a normal window by the trapezoid rule and multiplied by the number of samples; mean over
    directions. Zero in the limit for standard normal features.

    Args:
        features: (M, C) samples.
        directions: (C, K) unit vectors.
        points: points of the integration.
        reach: the integral runs from -reach to reach.
    """
    frequency = torch.linspace(-reach, reach, points, device=features.device)
    normal = torch.exp(-0.5 * frequency.square())
    with torch.autocast(features.device.type, enabled=False):  # its products would be in half precision
        angle = (features.float() @ directions.to(features.device))[..., None] * frequency
    real, imaginary = angle.cos().mean(dim=0), angle.sin().mean(dim=0)
    error = ((real - normal).square() + imaginary.square()) * normal
    statistic: Tensor = torch.trapezoid(error, frequency, dim=-1).mean() * len(features)
    return statistic


def weight_at(step: int, weight: float, start_step: int, warmup_steps: int) -> float:
    """λ of a zero-based generator update: 0 before `start_step`, then a linear rise over `warmup_steps`."""
    if step < start_step:
        return 0.0
    return weight * min(1.0, (step - start_step + 1) / warmup_steps) if warmup_steps else weight


def cosine_by_video(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean cosine over the tokens of each video, (B,), of features (B, T, E)."""
    return functional.cosine_similarity(_unit_maximum(predicted), _unit_maximum(target), dim=-1).mean(dim=1)


def cosines(predicted: Tensor, target: Tensor) -> float:
    """Mean cosine, for logs."""
    value = 1 - float(cosine_distance(predicted, target).detach())
    return value if math.isfinite(value) else math.nan
