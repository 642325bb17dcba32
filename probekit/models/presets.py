"""Sizes of the models and videos that the project knows by name."""

from typing import Any, Final

from probekit.geometry import LatentGeometry

SPRITE_GEOMETRY: Final = LatentGeometry(
    latent_channels=16, latent_height=8, latent_width=8, patch=(1, 2, 2), spatial_stride=4
)
WAN_480P_GEOMETRY: Final = LatentGeometry(
    latent_channels=16, latent_height=60, latent_width=104, patch=(1, 2, 2), spatial_stride=8
)

SPRITE_TEXT_WIDTH: Final = 64


def sprite_transformer_config(heads: int, layers: int) -> dict[str, Any]:
    """Constructor arguments of diffusers' `WanTransformer3DModel` at sprite size; heads are 32 wide."""
    return {
        "patch_size": (1, 2, 2),
        "num_attention_heads": heads,
        "attention_head_dim": 32,
        "in_channels": 16,
        "out_channels": 16,
        "text_dim": SPRITE_TEXT_WIDTH,
        "freq_dim": 128,
        "ffn_dim": 4 * 32 * heads,
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
        "text_dim": 4096,
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
