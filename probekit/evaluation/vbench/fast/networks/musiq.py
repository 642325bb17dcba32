"""MUSIQ (Ke et al., ICCV 2021) from the pyiqa package."""

from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from probekit.evaluation.vbench.fast.networks.weight_reading import count_blocks, filled, read_state, require

NAME: Final = "MUSIQ"
_AT_ONCE_ON_CPU: Final = 2  # the convolutions of more do not fit into caches
_ENCODER: Final = "transformer_encoder.transformer.encoderblock_"


class Musiq(nn.Module):
    """Quality 0..100 of images.

    pyiqa pads the patches of each scale to the number that a square image would have, and masks them; masked patches
    take no part in any attention, so they are left out here before the network sees them.
    """

    def __init__(self, layers: int, mlp_width: int) -> None:
        super().__init__()
        from pyiqa.archs.musiq_arch import MUSIQ

        self.network = MUSIQ(pretrained=False, num_layers=layers, mlp_dim=mlp_width)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W) in 0..1 to scores (N,)."""
        at_once = _AT_ONCE_ON_CPU if images.device.type == "cpu" else len(images)
        return torch.cat([self._scores(some) for some in images.split(at_once)])

    def _scores(self, images: Tensor) -> Tensor:
        from pyiqa.data.multiscale_trans_util import get_multiscale_patches

        patches: Tensor = get_multiscale_patches((images - 0.5) * 2, **self.network.data_preprocess_opts)
        seen = patches[0, :, -1] != 0  # the same for all images of one size
        # While its own flag says training, and only its own, the network takes patches instead of images.
        self.network.training = True
        scores: Tensor = self.network(patches[:, seen])
        return scores.flatten()


def load_musiq(path: Path) -> Musiq:
    """MUSIQ as deep as the file. Raises UserError as `read_state` and `filled`."""
    state = read_state(path, NAME, inside=("params",))
    first = require(state, f"{_ENCODER}0.mlp.fc1.weight", NAME)
    network = Musiq(count_blocks(state, _ENCODER), first.shape[0])
    filled(network.network, state, NAME)
    assert not any(module.training for module in network.network.children())
    return network.eval()
