"""Sizes of the videos that a model folder makes, from its configurations alone. Torch-free."""

from pathlib import Path

from probekit.geometry import LatentGeometry
from probekit.models.causal_card import is_causal, read_causal_card
from probekit.models.component_configs import WanTransformerConfig, checked, codec_facts, read_component_config
from probekit.models.presets import SPRITE_GEOMETRY, WAN_480P_GEOMETRY


def geometry_of(folder: Path, height: int, width: int) -> LatentGeometry:
    """Geometry of videos of height x width pixels, in the chunks that a causal generator was trained in.

    Raises:
        UserError: if the folder is not a model folder, or no whole tokens make up such a frame.
    """
    raw = read_component_config(folder, "transformer")
    transformer = checked(WanTransformerConfig, raw, folder / "transformer" / "config.json")
    return LatentGeometry.of_pixels(
        height,
        width,
        patch=transformer.patch_size,
        spatial_stride=codec_facts(folder).stride,
        latent_channels=transformer.in_channels,
        chunk_frames=read_causal_card(folder).chunk_frames if is_causal(folder) else None,
        owner=folder.name,
    )


def usual_geometry(folder: Path) -> LatentGeometry:
    """Geometry that a model folder is made for: the sprite world's, or Wan's 480p.

    Raises:
        UserError: if the folder is not a model folder.
    """
    return SPRITE_GEOMETRY if codec_facts(folder).name == "LinearVideoCodec" else WAN_480P_GEOMETRY
