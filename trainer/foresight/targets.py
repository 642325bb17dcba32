"""Which future a chunk answers for: offsets, the tail rule and fusion (arXiv 2606.03971, equation 4, appendix D.4)."""

from collections.abc import Sequence

import torch
from einops import rearrange, repeat
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


def frame_mean(features: Tensor, frames: int) -> Tensor:
    """Features (B, T, E) of a chunk averaged over its frames at each position, and repeated for each frame."""
    mean = rearrange(features, "B (n t) E -> B n t E", n=frames).mean(dim=1)
    return repeat(mean, "B t E -> B (n t) E", n=frames)


def targets_of(
    features: Sequence[Tensor], chunk: int, offsets: Sequence[int], fusion: str, frames: int
) -> list[tuple[int | None, Tensor]]:
    """What a chunk's state is compared with.

    Args:
        features: features of each chunk, (B, T, E).
        chunk: its number.
        offsets: offsets in chunks.
        fusion: `offsets` averages over valid offsets; `frames` first averages over the frames of each chunk; `none`
            keeps one target an offset.
        frames: latent frames of a chunk.

    Returns:
        Pairs (index of the offset, target (B, T, E)); a fused target has index None. Empty without a valid offset.
    """
    if fusion == "none":
        valid = valid_offsets(chunk, len(features), offsets)
        return [(offsets.index(offset), features[chunk + offset]) for offset in valid]
    prepared = [frame_mean(one, frames) for one in features] if fusion == "frames" else features
    target = fused_target(prepared, chunk, offsets)
    return [] if target is None else [(None, target)]
