"""Wan's video VAE behind the codec protocol."""

import copy
from collections.abc import Mapping
from typing import Any, Self

import torch
from diffusers import AutoencoderKLWan
from diffusers.models.autoencoders.autoencoder_kl_wan import unpatchify
from torch import Tensor


class WanVideoCodec:
    """`AutoencoderKLWan` with its latent normalisation; implements `VideoCodec`.

    Latents are the posterior's mode, normalised by the configured mean and standard deviation of each channel, as
    diffusers' `WanPipeline` does before the transformer and undoes before decoding.
    """

    def __init__(self, vae: AutoencoderKLWan) -> None:
        self.vae = vae.eval().requires_grad_(False)

    @property
    def config(self) -> Mapping[str, Any]:
        """The VAE's own configuration."""
        config: Mapping[str, Any] = self.vae.config
        return config

    @property
    def spatial_stride(self) -> int:
        """Pixels along a side of one latent position."""
        return int(self.vae.spatial_compression_ratio)

    def to(self, device: torch.device | str) -> Self:
        """Move the VAE to a device."""
        self.vae.to(device)
        return self

    def _statistics(self, like: Tensor) -> tuple[Tensor, Tensor]:
        shape = (1, -1, 1, 1, 1)
        mean = torch.tensor(self.config["latents_mean"], dtype=like.dtype, device=like.device).view(shape)
        std = torch.tensor(self.config["latents_std"], dtype=like.dtype, device=like.device).view(shape)
        return mean, std

    @torch.no_grad()
    def encode(self, video: Tensor) -> Tensor:
        """Encode (B, 3, 1 + 4·(L - 1), H, W) in [-1, 1] to normalised latents (B, C, L, h, w)."""
        latents = self.vae.encode(video).latent_dist.mode()
        mean, std = self._statistics(latents)
        normalised: Tensor = (latents - mean) / std
        return normalised

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Decode normalised latents to (B, 3, 1 + 4·(L - 1), H, W), clamped to [-1, 1]."""
        mean, std = self._statistics(latents)
        decoded: Tensor = self.vae.decode(latents * std + mean, return_dict=False)[0]
        return decoded.clamp(-1, 1)

    def streaming_decoder(self) -> "WanStreamingDecoder":
        """Start a fresh stream."""
        return WanStreamingDecoder(self)


class WanStreamingDecoder:
    """Carries the causal convolutions' feature cache from push to push, as `AutoencoderKLWan._decode` does in its loop.

    The cache belongs to the stream, so several streams may share one VAE.
    """

    def __init__(self, codec: WanVideoCodec) -> None:
        self._codec = codec
        codec.vae.clear_cache()
        self._features: list[Any] = list(codec.vae._feat_map)
        self._started = False

    def twin(self) -> Self:
        """Another stream with the same past; a push replaces what is cached and changes nothing of it."""
        twin = copy.copy(self)
        twin._features = list(self._features)
        return twin

    @torch.no_grad()
    def push(self, latents: Tensor) -> Tensor:
        """Decode the next latent frames (B, C, L, h, w)."""
        vae = self._codec.vae
        mean, std = self._codec._statistics(latents)
        hidden = vae.post_quant_conv(latents * std + mean)
        video = torch.cat([self._decode_frame(hidden[:, :, i : i + 1]) for i in range(hidden.shape[2])], dim=2)
        patch = self._codec.config["patch_size"]  # Wan 2.2's decoder gives patches of pixels as channels
        return (video if patch is None else unpatchify(video, patch)).clamp(-1, 1)

    def _decode_frame(self, hidden: Tensor) -> Tensor:
        first, self._started = not self._started, True
        decoder = self._codec.vae.decoder
        frame: Tensor = decoder(hidden, feat_cache=self._features, feat_idx=[0], first_chunk=first)
        return frame
