"""The protocol that every video codec obeys, whatever network or matrix does the work."""

from typing import Protocol, Self

import torch
from torch import Tensor


class StreamingDecoder(Protocol):
    """Decodes a video chunk by chunk; the concatenated output equals one-shot decoding."""

    def twin(self) -> Self:
        """Another stream with the same past, for a video that goes on otherwise."""
        ...

    def push(self, latents: Tensor) -> Tensor:
        """Decode the next latent frames (B, C, L, h, w) to RGB (B, 3, T, H, W) in [-1, 1].

        The very first latent frame of a stream gives one RGB frame, every other one gives four.
        """
        ...


class VideoCodec(Protocol):
    """Maps RGB videos to the latents that diffusion models read, and back.

    Videos are (B, 3, T, H, W) float in [-1, 1] with T = 1 + 4·(L - 1); latents are (B, C, L, h, w), already scaled for
    the diffusion model. The first frame is encoded alone and no latent frame depends on later RGB frames.
    """

    @property
    def spatial_stride(self) -> int:
        """Pixels along a side of one latent position."""
        ...

    def to(self, device: torch.device | str) -> Self:
        """Move to a device, which latents and videos must then be on."""
        ...

    def encode(self, video: Tensor) -> Tensor:
        """Encode a video to its (deterministic) latents."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """Decode latents in one shot."""
        ...

    def streaming_decoder(self) -> StreamingDecoder:
        """Start a fresh stream."""
        ...


def to_unit_range(frames: Tensor) -> Tensor:
    """uint8 frames (B, T, H, W, 3) to a video (B, 3, T, H, W) float32 in [-1, 1]."""
    return frames.movedim(-1, 1).to(torch.float32) / 127.5 - 1


def to_uint8_frames(video: Tensor) -> Tensor:
    """Video (B, 3, T, H, W) in [-1, 1] to uint8 frames (B, T, H, W, 3), rounded and clamped."""
    return ((video.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).movedim(1, -1).contiguous()
