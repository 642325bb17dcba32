"""RAFT (Teed and Deng, ECCV 2020) from the vbench package, driven frame by frame so that features are shared.

The official `forward` encodes both frames of every pair and upsamples the flow after each of its 20 iterations. Here a
frame is encoded once, though it stands in two pairs, and only the last flow is upsampled; the values are the same.
"""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn

from probekit.evaluation.vbench.fast.networks.weight_reading import filled, read_state

NAME: Final = "RAFT"
PAD: Final = 8
ITERATIONS: Final = 20
"""vbench/dynamic_degree.py, `infer`."""
_RADIUS: Final = 4
_MASK_SCALE: Final = 0.25  # RAFT balances gradients with it


class RaftArguments(SimpleNamespace):
    """What RAFT's constructor reads; it asks `"dropout" in args` and writes into them."""

    def __contains__(self, name: object) -> bool:
        return name in vars(self)


class EncodedFrame(NamedTuple):
    """What RAFT knows of one frame: features to match and context, (1, 256, H / 8, W / 8) each."""

    features: Tensor
    context: Tensor


class Raft(nn.Module):
    """Optical flow between frames, in the size that the published "things" weights have."""

    def __init__(self) -> None:
        super().__init__()
        from vbench.third_party.RAFT.core.raft import RAFT

        self.network = RAFT(RaftArguments(small=False, mixed_precision=False, alternate_corr=False))

    def encode(self, images: Tensor) -> list[EncodedFrame]:
        """Encode frames (N, 3, H, W) in 0..255, H and W multiples of 8."""
        images = 2 * (images / 255.0) - 1.0
        features, context = self.network.fnet(images).float(), self.network.cnet(images).float()
        return [EncodedFrame(*frame) for frame in zip(features.split(1), context.split(1), strict=True)]

    def flow(self, before: Sequence[EncodedFrame], after: Sequence[EncodedFrame]) -> Tensor:
        """Flow (N, 2, H, W) in pixels, x then y, from each frame of `before` to that of `after`."""
        from vbench.third_party.RAFT.core.corr import CorrBlock

        features = torch.cat([frame.features for frame in before])
        correlation = CorrBlock(features, torch.cat([frame.features for frame in after]), radius=_RADIUS)
        context = torch.cat([frame.context for frame in before])
        hidden, read = context.split([self.network.hidden_dim, self.network.context_dim], dim=1)
        hidden, read = torch.tanh(hidden), torch.relu(read)
        block = self.network.update_block
        start = _grid(features)
        flow = torch.zeros_like(start)
        for _ in range(ITERATIONS):
            motion = block.encoder(flow, correlation(start + flow))
            hidden = block.gru(hidden, torch.cat([read, motion], dim=1))
            flow = flow + block.flow_head(hidden)
        upsampled: Tensor = self.network.upsample_flow(flow, _MASK_SCALE * block.mask(hidden))
        return upsampled


def _grid(features: Tensor) -> Tensor:
    """Pixel coordinates (N, 2, h, w), x then y."""
    n, _, height, width = features.shape
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([columns, rows]).float().to(features.device).expand(n, -1, -1, -1)


def load_raft(path: Path) -> Raft:
    """RAFT. Raises UserError as `read_state` and `filled`."""
    network = Raft()
    filled(network.network, read_state(path, NAME), NAME)
    return network.eval()
