"""Who reads the finished video: the real score, the base model, the generator's average (table 4), or the world."""

from collections.abc import Callable

import numpy as np
import torch
from diffusers import WanTransformer3DModel
from einops import rearrange
from torch import Tensor

from probekit.models.causal_wan import CausalWan
from probekit.models.feature_reader import read_causal_features, read_features
from probekit.models.presets import SPRITE_GEOMETRY
from probekit.models.video_codec import VideoCodec, to_uint8_frames
from probekit.sprite_world.field_states import field_states

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


def world_encoder(codec: VideoCodec) -> Encoder:
    """A chunk's features are the sprite world's state in it, read from its pixels: what an encoder could know at best.

    One token a field of the frame, as the generator's tokens lie; see `field_states` for its numbers.
    """
    _, rows, _ = SPRITE_GEOMETRY.patch
    fields = SPRITE_GEOMETRY.latent_height // rows

    def encode(video: Tensor, text: Tensor, chunks: int) -> list[Tensor]:
        frames = to_uint8_frames(codec.to(video.device).decode(video.detach().float())).cpu().numpy()
        found = np.stack([field_states(one, SPRITE_GEOMETRY.temporal_stride, fields) for one in frames])
        states = torch.from_numpy(found).to(video.device)
        return list(rearrange(states, "B (N n) r c E -> N B (n r c) E", N=chunks))

    return encode
