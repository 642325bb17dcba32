"""Opening model folders in diffusers layout: `transformer/`, `vae/`, `text_encoder/`, `tokenizer/`, `scheduler/`."""

import json
from pathlib import Path
from typing import Any, Final

import torch
from diffusers import AutoencoderKLWan
from transformers import AutoTokenizer, UMT5EncoderModel

from probekit.errors import UserError
from probekit.models.linear_codec import LinearVideoCodec
from probekit.models.text_encoding import TextEncoder
from probekit.models.video_codec import VideoCodec
from probekit.models.wan_codec import WanVideoCodec

WAN_TEXT_TOKENS: Final = 512
SHIPPED_MODELS: Final = Path(__file__).parents[1] / "sprite_world" / "weights"


def model_folder(model: str) -> Path:
    """The folder of a shipped model's name, or the given folder itself.

    Raises:
        UserError: if it is neither.
    """
    for folder in (SHIPPED_MODELS / model, Path(model)):
        if folder.is_dir():
            return folder
    shipped = ", ".join(sorted(path.name for path in SHIPPED_MODELS.iterdir() if path.is_dir()))
    raise UserError(f"There is no model folder {model!r}.", f"Give a folder in diffusers layout or one of: {shipped}.")


def read_component_config(folder: Path, component: str) -> dict[str, Any]:
    """Read `component/config.json` of a model folder.

    Raises:
        UserError: if the folder is not a model folder.
    """
    path = folder / component / "config.json"
    if not path.is_file():
        raise UserError(
            f"{folder} is not a model folder: it has no {component}/config.json.",
            "Give a folder in diffusers layout, or one of the shipped models: sprite-base, sprite-large.",
        )
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return config


def load_text_encoder(folder: Path) -> TextEncoder:
    """Open the text side; prompts are padded to 512 tokens unless the tokenizer states less."""
    read_component_config(folder, "text_encoder")
    tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer")
    encoder = UMT5EncoderModel.from_pretrained(folder / "text_encoder", dtype=torch.float32)
    return TextEncoder(tokenizer, encoder, min(WAN_TEXT_TOKENS, tokenizer.model_max_length))


def load_codec(folder: Path) -> VideoCodec:
    """Open the video codec, whichever class the folder names."""
    name = read_component_config(folder, "vae")["_class_name"]
    if name == "LinearVideoCodec":
        return LinearVideoCodec.from_pretrained(folder / "vae").eval()
    if name == "AutoencoderKLWan":
        return WanVideoCodec(AutoencoderKLWan.from_pretrained(folder / "vae"))
    raise UserError(f"{folder / 'vae'} holds a {name}.", "Use LinearVideoCodec or AutoencoderKLWan.")
