"""Sizes of the models and videos that the project knows by name."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from probekit.geometry import LatentGeometry

SPRITE_GEOMETRY: Final = LatentGeometry(
    latent_channels=16, latent_height=8, latent_width=8, patch=(1, 2, 2), spatial_stride=4
)
WAN_480P_GEOMETRY: Final = LatentGeometry(
    latent_channels=16, latent_height=60, latent_width=104, patch=(1, 2, 2), spatial_stride=8
)

TRAINED_FRAMES: Final = 21
"""Latent frames of the 5 s clips that generators are trained on."""
TRAINED_RGB_FRAMES: Final = WAN_480P_GEOMETRY.rgb_frames(TRAINED_FRAMES)
"""RGB frames of these clips, at Wan's size and the sprite world's."""

SPRITE_TEXT_WIDTH: Final = 64
WAN_TEXT_WIDTH: Final = 4096


class Family(NamedTuple):
    """What models of one kind share.

    Attributes:
        geometry: usual sizes of their videos.
        text_tokens: length to which prompts are padded.
    """

    geometry: LatentGeometry
    text_tokens: int


SPRITE_FAMILY: Final = Family(SPRITE_GEOMETRY, 30)
WAN_FAMILY: Final = Family(WAN_480P_GEOMETRY, 512)


def family_of(config: Mapping[str, Any]) -> Family:
    """The family of a transformer, by the width of the text that it reads."""
    return WAN_FAMILY if config["text_dim"] == WAN_TEXT_WIDTH else SPRITE_FAMILY


def sprite_transformer_config(heads: int, layers: int, head_width: int = 32) -> dict[str, Any]:
    """Constructor arguments of diffusers' `WanTransformer3DModel` at sprite size."""
    return {
        "patch_size": (1, 2, 2),
        "num_attention_heads": heads,
        "attention_head_dim": head_width,
        "in_channels": 16,
        "out_channels": 16,
        "text_dim": SPRITE_TEXT_WIDTH,
        "freq_dim": 128,
        "ffn_dim": 4 * head_width * heads,
        "num_layers": layers,
        "cross_attn_norm": True,
        "qk_norm": "rms_norm_across_heads",
        "eps": 1e-6,
        "rope_max_seq_len": 1024,
    }


def _wan_config(heads: int, layers: int, ffn_dim: int) -> dict[str, Any]:
    return {
        "patch_size": (1, 2, 2),
        "num_attention_heads": heads,
        "attention_head_dim": 128,
        "in_channels": 16,
        "out_channels": 16,
        "text_dim": WAN_TEXT_WIDTH,
        "freq_dim": 256,
        "ffn_dim": ffn_dim,
        "num_layers": layers,
        "cross_attn_norm": True,
        "qk_norm": "rms_norm_across_heads",
        "eps": 1e-6,
        "rope_max_seq_len": 1024,
    }


WAN_1_3B: Final = _wan_config(heads=12, layers=30, ffn_dim=8960)
"""Wan2.1-T2V-1.3B."""
WAN_14B: Final = _wan_config(heads=40, layers=40, ffn_dim=13824)
"""Wan2.1-T2V-14B."""
