"""Who reads the finished video: the real score, the base model, or the generator's own average (table 4)."""

from collections.abc import Callable

import torch
from diffusers import WanTransformer3DModel
from einops import rearrange
from torch import Tensor

from probekit.models.causal_wan import CausalWan
from probekit.models.feature_reader import read_causal_features, read_features

Encoder = Callable[[Tensor, Tensor, int], list[Tensor]]
"""Features (B, T, E) of each chunk from a video (B, C, L, h, w), prompt embeddings, and the number of chunks."""


def bidirectional_encoder(model: WanTransformer3DModel, layer: int) -> Encoder:
    """Every chunk's features know the whole video."""

    @torch.no_grad()
    def encode(video: Tensor, text: Tensor, chunks: int) -> list[Tensor]:
        features = read_features(model, video, torch.zeros(len(video), device=video.device), text, layer)
        return list(rearrange(features, "B (N n) t E -> N B (n t) E", N=chunks))

    return encode


def causal_encoder(model: CausalWan, layer: int) -> Encoder:
    """A chunk's features know the video up to that chunk."""

    @torch.no_grad()
    def encode(video: Tensor, text: Tensor, chunks: int) -> list[Tensor]:
        return read_causal_features(model, video, text, chunks, layer)

    return encode
