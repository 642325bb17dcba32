"""Networks that say nothing are found before they give scores: zeroed or damaged weights, NaN or constant features."""

from collections.abc import Mapping

import torch
from torch import Tensor

from probekit.errors import UserError


class BrokenNetworkError(UserError):
    """A network's weights or features cannot be right, so its scores would mean nothing."""


def check_weights(state: Mapping[str, Tensor], name: str) -> None:
    """Refuse weights of which a matrix is all zero, or any number is NaN or infinite.

    Args:
        state: tensors by name.
        name: name of the network, for the message.

    Raises:
        BrokenNetworkError: naming the first such tensor.
    """
    for key, tensor in state.items():
        if not tensor.is_floating_point():
            continue
        if not torch.isfinite(tensor).all():
            raise BrokenNetworkError(f"{key} in the weights of {name} is not finite.", "Fetch the file again.")
        if tensor.ndim > 1 and tensor.numel() > 1 and not tensor.any():
            raise BrokenNetworkError(f"{key} in the weights of {name} is all zero.", "Fetch the file again.")


def check_features(features: Tensor, name: str) -> Tensor:
    """Return features that are finite and, in each row, not one number over and over.

    Args:
        features: (N, C), or (N,) for a network with one output.
        name: name of the network, for the message.

    Raises:
        BrokenNetworkError: if they are not.
    """
    if not torch.isfinite(features).all():
        raise BrokenNetworkError(f"{name} gave NaN or infinite features.", "Check its weights, or use float32.")
    if features.ndim > 1 and features.shape[1] > 1 and (features == features[:, :1]).all(dim=1).any():
        raise BrokenNetworkError(f"{name} gave features that are one constant.", "Check its weights.")
    return features
