"""Which future a chunk answers for: offsets, the tail rule and fusion (arXiv 2606.03971, equation 4)."""

from collections.abc import Sequence

import torch
from torch import Tensor


def valid_offsets(chunk: int, chunks: int, offsets: Sequence[int]) -> list[int]:
    """Offsets that stay inside a video of `chunks` chunks; empty where the chunk has no target."""
    return [offset for offset in offsets if chunk + offset < chunks]


def fused_target(features: Sequence[Tensor], chunk: int, offsets: Sequence[int]) -> Tensor | None:
    """Mean over valid offsets of the encoder's raw features (B, T, E) of chunk + offset; None without any."""
    valid = valid_offsets(chunk, len(features), offsets)
    if not valid:
        return None
    return torch.stack([features[chunk + offset] for offset in valid]).mean(dim=0)
