"""Losses of flow-matching training, as pure functions."""

from torch import Tensor


def flow_matching_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of the predicted flow in fp32, arXiv 2210.02747, equation 23; a scalar."""
    return (predicted.float() - target.float()).square().mean()
