"""AMT-S (Li et al., CVPR 2023), frame interpolation, from the vbench package."""

import importlib
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from probekit.evaluation.vbench.fast.networks.weight_reading import filled, read_state

NAME: Final = "AMT-S"
PAD: Final = 16
_MIDDLE: Final = 0.5
_CORRELATION_RADIUS, _CORRELATION_LEVELS, _FLOWS = 3, 4, 3  # vbench/third_party/amt/cfgs/AMT-S.yaml


class Amt(nn.Module):
    """The frame in the middle between two."""

    def __init__(self) -> None:
        super().__init__()
        module = importlib.import_module(
            "vbench.third_party.amt.networks.AMT-S"
        )  # no identifier, so no import statement
        self.network = module.Model(corr_radius=_CORRELATION_RADIUS, corr_lvls=_CORRELATION_LEVELS, num_flows=_FLOWS)

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        """Images (N, 3, H, W) in 0..1, H and W multiples of 16, to the images between them."""
        when = torch.full((len(before), 1, 1, 1), _MIDDLE, device=before.device)
        between: Tensor = self.network(before, after, when, scale_factor=1.0, eval=True)["imgt_pred"]
        return between


def load_amt(path: Path) -> Amt:
    """AMT-S. Raises UserError as `read_state` and `filled`."""
    network = Amt()
    filled(network.network, read_state(path, NAME, inside=("state_dict",)), NAME)
    return network.eval()
