"""Distances between predicted and encoded features."""

import torch
from torch import Tensor
from torch.nn import functional


def cosine_distance(predicted: Tensor, target: Tensor) -> Tensor:
    """1 - cosine over the channel axis, mean over tokens (arXiv 2606.03971, equation 3); a scalar in fp32.

    Each vector is first divided by its largest magnitude, so that huge features do not overflow; a zero vector has
    cosine 0.
    """
    return (1 - functional.cosine_similarity(_unit_maximum(predicted), _unit_maximum(target), dim=-1)).mean()


def _unit_maximum(x: Tensor) -> Tensor:
    x = x.float()
    largest = x.detach().abs().amax(dim=-1, keepdim=True)
    return x / torch.where(largest > 0, largest, 1.0)
