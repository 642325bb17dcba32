"""Closed-form linear video codec: PCA of 4x4x4 blocks, with a causal first frame.

The sprite world's counterpart of Wan's VAE behind the same protocol: four times smaller in time, four times in height
and width, 16 channels. All latents share one scale, because whitening the channels would ask the diffusion model to
spend its capacity on the components that carry the least of the picture.
"""

import copy
from typing import NamedTuple, Self

import numpy as np
import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from probekit.errors import UserError
from probekit.models.presets import SPRITE_GEOMETRY

TIME_STRIDE = SPRITE_GEOMETRY.temporal_stride
SPACE_STRIDE = SPRITE_GEOMETRY.spatial_stride
_RGB = 3
_FIRST_GAIN = 2.0
"""A still picture has twice the norm in a block of four frames that it has in one, so the first latent is doubled."""


class PcaBasis(NamedTuple):
    """Mean (D,) and orthonormal rows (C, D) of a principal subspace, float64."""

    mean: NDArray[np.float64]
    rows: NDArray[np.float64]


def fit_pca(blocks: NDArray[np.float64], n_components: int) -> PcaBasis:
    """Principal components of blocks (N, D), largest variance first; signs fixed so that refits agree."""
    mean = blocks.mean(0)
    centred = blocks - mean
    _, vectors = np.linalg.eigh(centred.T @ centred / len(blocks))
    rows = vectors[:, ::-1][:, :n_components].T
    signs = np.sign(rows[np.arange(n_components), np.abs(rows).argmax(1)])
    return PcaBasis(mean, rows * signs[:, None])


def align_first_basis(first: PcaBasis, later: PcaBasis) -> PcaBasis:
    """Rotate the first frame's basis so that its channels mean what the later channels mean of a still picture.

    The subspace stays the same, so nothing is lost; the rotation is the orthogonal Procrustes solution towards the
    later rows averaged over their four frames.
    """
    still = rearrange(later.rows, "n (c s p) -> n c s p", c=_RGB, s=TIME_STRIDE).mean(2).reshape(len(later.rows), -1)
    left, _, right = np.linalg.svd(still @ first.rows.T)
    return PcaBasis(first.mean, left @ right @ first.rows)


def first_frame_blocks(video: Tensor) -> Tensor:
    """Blocks of a video's first frame: (B, 3, 1, H, W) to (B, 1, h, w, 48)."""
    return rearrange(video, "b c t (h p) (w q) -> b t h w (c p q)", p=SPACE_STRIDE, q=SPACE_STRIDE)


def later_blocks(video: Tensor) -> Tensor:
    """Blocks of the frames after the first: (B, 3, 4L, H, W) to (B, L, h, w, 192)."""
    pattern = "b c (t s) (h p) (w q) -> b t h w (c s p q)"
    return rearrange(video, pattern, s=TIME_STRIDE, p=SPACE_STRIDE, q=SPACE_STRIDE)


class LinearVideoCodec(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """PCA video codec in diffusers folder layout; implements `VideoCodec`.

    Args:
        latent_channels: components kept of each block.
    """

    config_name = "config.json"

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(self, latent_channels: int = 16) -> None:
        super().__init__()
        first, later = _RGB * SPACE_STRIDE**2, _RGB * SPACE_STRIDE**2 * TIME_STRIDE
        self.register_buffer("first_mean", torch.zeros(first))
        self.register_buffer("first_rows", torch.zeros(latent_channels, first))
        self.register_buffer("later_mean", torch.zeros(later))
        self.register_buffer("later_rows", torch.zeros(latent_channels, later))
        self.register_buffer("scale", torch.ones(()))

    @property
    def spatial_stride(self) -> int:
        """Pixels along a side of one latent position."""
        return SPACE_STRIDE

    @classmethod
    def fit(cls, videos: Tensor, latent_channels: int = 16) -> "LinearVideoCodec":
        """Fit to videos (B, 3, T, H, W) in [-1, 1]; the scale makes the latents' mean square 1."""
        codec: LinearVideoCodec = cls(latent_channels=latent_channels)
        first = first_frame_blocks(videos[:, :, :1]).reshape(-1, codec.first_mean.numel()).double().numpy()
        later = later_blocks(videos[:, :, 1:]).reshape(-1, codec.later_mean.numel()).double().numpy()
        later_basis = fit_pca(later, latent_channels)
        first_basis = align_first_basis(fit_pca(first, latent_channels), later_basis)
        for name, basis in (("first", first_basis), ("later", later_basis)):
            codec.get_buffer(f"{name}_mean").copy_(torch.from_numpy(basis.mean))
            codec.get_buffer(f"{name}_rows").copy_(torch.from_numpy(basis.rows.copy()))
        codec.scale.copy_(codec.encode(videos).square().mean().rsqrt())
        return codec

    def encode(self, video: Tensor) -> Tensor:
        """Encode (B, 3, 1 + 4·(L - 1), H, W) in [-1, 1] to (B, C, L, H/4, W/4).

        Raises:
            UserError: if the number of frames is not 1 + 4·k or a side is not a multiple of 4.
        """
        _, _, frames, height, width = video.shape
        if frames % TIME_STRIDE != 1 or height % SPACE_STRIDE or width % SPACE_STRIDE:
            raise UserError(
                f"A video of {frames} frames of {height}x{width} cannot be encoded.",
                "Use 1 + 4·k frames and sides that are multiples of 4.",
            )
        first = _FIRST_GAIN * (first_frame_blocks(video[:, :, :1]) - self.first_mean) @ self.first_rows.T
        later = (later_blocks(video[:, :, 1:]) - self.later_mean) @ self.later_rows.T
        latents: Tensor = rearrange(torch.cat([first, later], dim=1) * self.scale, "b t h w c -> b c t h w")
        return latents

    def decode(self, latents: Tensor) -> Tensor:
        """Decode (B, C, L, h, w) to (B, 3, 1 + 4·(L - 1), 4h, 4w), clamped to [-1, 1]."""
        return self.streaming_decoder().push(latents)

    def streaming_decoder(self) -> "LinearStreamingDecoder":
        """Start a fresh stream."""
        return LinearStreamingDecoder(self)

    def decode_first(self, latents: Tensor) -> Tensor:
        """Decode a first latent frame (B, C, 1, h, w) to one RGB frame."""
        blocks = rearrange(latents / (_FIRST_GAIN * self.scale), "b c t h w -> b t h w c")
        blocks = blocks @ self.first_rows + self.first_mean
        pattern = "b t h w (c p q) -> b c t (h p) (w q)"
        frame: Tensor = rearrange(blocks, pattern, c=_RGB, p=SPACE_STRIDE, q=SPACE_STRIDE)
        return frame.clamp(-1, 1)

    def decode_later(self, latents: Tensor) -> Tensor:
        """Decode latent frames after the first (B, C, L, h, w) to 4·L RGB frames."""
        blocks = rearrange(latents / self.scale, "b c t h w -> b t h w c") @ self.later_rows + self.later_mean
        pattern = "b t h w (c s p q) -> b c (t s) (h p) (w q)"
        frames: Tensor = rearrange(blocks, pattern, s=TIME_STRIDE, p=SPACE_STRIDE, q=SPACE_STRIDE)
        return frames.clamp(-1, 1)


class LinearStreamingDecoder:
    """Stream over a `LinearVideoCodec`; its only state is whether the first frame has passed."""

    def __init__(self, codec: LinearVideoCodec) -> None:
        self._codec = codec
        self._started = False

    def twin(self) -> Self:
        """Another stream with the same past."""
        return copy.copy(self)

    def push(self, latents: Tensor) -> Tensor:
        """Decode the next latent frames (B, C, L, h, w)."""
        if self._started:
            return self._codec.decode_later(latents)
        self._started = True
        first = self._codec.decode_first(latents[:, :, :1])
        return torch.cat([first, self._codec.decode_later(latents[:, :, 1:])], dim=2)
