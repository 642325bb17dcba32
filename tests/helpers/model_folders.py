"""Tiny real model folders, made once a test session."""

from pathlib import Path
from typing import Final

import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel

from probekit.models.causal_card import CausalCard, write_causal_card
from probekit.models.model_folder import SHIPPED_MODELS
from probekit.models.presets import sprite_transformer_config
from probekit.models.saving import complete_model_folder, save_transformer


def tiny_transformer(seed: int = 0, heads: int = 1) -> WanTransformer3DModel:
    """A sprite transformer of two layers and one head, or more, with seeded weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return WanTransformer3DModel(**sprite_transformer_config(heads=heads, layers=2)).eval()


def tiny_vae(seed: int = 0) -> AutoencoderKLWan:
    """Wan's VAE at a few thousand parameters, 4x in time and 8x in space as the real one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return AutoencoderKLWan(
            base_dim=4,
            z_dim=16,
            dim_mult=[1, 1, 1, 1],
            num_res_blocks=1,
            temperal_downsample=[False, True, True],
        ).eval()


def tiny_vae_22(seed: int = 0) -> AutoencoderKLWan:
    """Wan 2.2's VAE at a few thousand parameters: residual blocks, patches of 2 x 2 pixels, 16x in space."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return AutoencoderKLWan(
            base_dim=8,
            decoder_base_dim=8,
            z_dim=16,
            dim_mult=[1, 1, 1, 1],
            num_res_blocks=1,
            temperal_downsample=[False, True, True],
            is_residual=True,
            in_channels=12,
            out_channels=12,
            patch_size=2,
            scale_factor_temporal=4,
            scale_factor_spatial=16,
        ).eval()


def write_tiny_model(folder: Path, seed: int = 0, heads: int = 1) -> Path:
    """A complete sprite model folder with a tiny transformer."""
    save_transformer(tiny_transformer(seed, heads), folder)
    complete_model_folder(folder, SHIPPED_MODELS / "sprite-base", flow_shift=3.0)
    return folder


CARDS: Final = {
    "student": CausalCard(role="dmd_student", chunk_frames=3, shift=5.0, few_steps=(1000, 500)),
    "ar": CausalCard(role="ar_teacher", chunk_frames=3, shift=5.0, euler_steps=2, guidance=3.0),
}
"""What the causal models of `write_tiny_models` are."""


def write_tiny_models(root: Path) -> dict[str, Path]:
    """Folders of a bidirectional model, `clip`, and of a causal one for each of `CARDS`, all with the same weights."""
    made = {name: write_tiny_model(root / name) for name in ("clip", *CARDS)}
    for name, card in CARDS.items():
        write_causal_card(made[name], card)
    return made
