"""Model folders of Wan's width with seeded random weights, at a depth that can be chosen."""

import shutil
from pathlib import Path
from typing import Any

import torch
from diffusers import WanTransformer3DModel
from transformers import UMT5Config, UMT5EncoderModel

from benchmarks.gpu.sizes import ConfigDict, Sizes
from probekit.models.causal_card import CausalCard, write_causal_card
from probekit.models.model_folder import SHIPPED_MODELS
from probekit.models.saving import complete_model_folder, save_transformer
from probekit.sprite_world.captions import WORDS

PARTS = SHIPPED_MODELS / "sprite-base"


def text_parts(sizes: Sizes, folder: Path) -> Path:
    """A text side whose states are as wide as Wan's; the words are the sprite world's."""
    width = int(sizes.student["text_dim"])
    config = UMT5Config(vocab_size=len(WORDS) + 3, d_model=width, d_kv=16, d_ff=64, num_layers=1, num_heads=1)
    torch.manual_seed(0)
    UMT5EncoderModel(config).to(torch.bfloat16).save_pretrained(folder / "text_encoder")
    for part in ("tokenizer", "vae"):
        shutil.copytree(PARTS / part, folder / part, dirs_exist_ok=True)
    return folder


def model_of_depth(config: ConfigDict, depth: int, folder: Path, parts: Path, device: str, causal: bool) -> Path:
    """A folder with `depth` layers of a configuration; a causal one is an ODE student."""
    size: dict[str, Any] = {**config, "num_layers": depth}
    torch.manual_seed(depth)
    with torch.device(device):
        model = WanTransformer3DModel(**size)
    save_transformer(model.to("cpu", torch.bfloat16), folder)
    complete_model_folder(folder, parts, flow_shift=5.0)
    if causal:
        card = CausalCard(role="ode_student", chunk_frames=3, shift=5.0, few_steps=(1000, 750, 500, 250))
        write_causal_card(folder, card)
    return folder
