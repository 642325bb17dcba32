"""Sizes of the videos that a model folder makes, from its configurations alone. Torch-free."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from probekit.geometry import LatentGeometry
from probekit.models.causal_card import is_causal, read_causal_card
from probekit.models.component_configs import WanTransformerConfig, checked, codec_facts, read_component_config
from probekit.models.presets import SPRITE_GEOMETRY, WAN_480P_GEOMETRY


class TransformerSizes(Protocol):
    """What is read of a transformer's configuration."""

    @property
    def patch_size(self) -> Sequence[int]:
        """Patch (frames, rows, columns)."""
        ...

    @property
    def in_channels(self) -> int:
        """Channels of the latents."""
        ...


def geometry_of(folder: Path, height: int, width: int) -> LatentGeometry:
    """Geometry of videos of height x width pixels, in the chunks that a causal generator was trained in.

    Raises:
        UserError: if the folder is not a model folder, or no whole tokens make up such a frame.
    """
    raw = read_component_config(folder, "transformer")
    transformer = checked(WanTransformerConfig, raw, folder / "transformer" / "config.json")
    chunk_frames = read_causal_card(folder).chunk_frames if is_causal(folder) else None
    stride = codec_facts(folder).stride
    return transformer_geometry(transformer, stride, height, width, chunk_frames=chunk_frames, owner=folder.name)


def transformer_geometry(
    config: TransformerSizes,
    spatial_stride: int,
    height: int,
    width: int,
    *,
    chunk_frames: int | None = None,
    owner: str = "The model",
) -> LatentGeometry:
    """Geometry of videos that a transformer and a codec make; arguments as `LatentGeometry.of_pixels`.

    Args:
        config: configuration of the transformer.
        spatial_stride: pixels along a side of one latent position.
        height: rows of a frame in pixels.
        width: columns of a frame in pixels.
        chunk_frames: latent frames generated together; None keeps the usual number.
        owner: name of the model in messages.

    Raises:
        UserError: if no whole tokens make up such a frame.
    """
    return LatentGeometry.of_pixels(
        height,
        width,
        patch=config.patch_size,
        spatial_stride=spatial_stride,
        latent_channels=config.in_channels,
        chunk_frames=chunk_frames,
        owner=owner,
    )


def usual_geometry(folder: Path) -> LatentGeometry:
    """Geometry that a model folder is made for: the sprite world's, or Wan's 480p.

    Raises:
        UserError: if the folder is not a model folder.
    """
    return SPRITE_GEOMETRY if codec_facts(folder).name == "LinearVideoCodec" else WAN_480P_GEOMETRY
