"""Writing model folders in diffusers layout, which `loading` opens."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import diffusers
import torch
from diffusers import UniPCMultistepScheduler, WanTransformer3DModel
from torch import Tensor

from probekit.atomic_files import write_json
from probekit.diffusion.flow_matching import TIMESTEPS
from probekit.models.component_configs import codec_facts
from probekit.provenance import command_line, git_state, package_versions

PROVENANCE: Final = "provenance.json"
"""Command, commit and packages that made a model folder."""
SHARED_PARTS: Final = ("text_encoder", "tokenizer", "vae")
_COMPONENTS: Final = {
    "scheduler": ["diffusers", "UniPCMultistepScheduler"],
    "text_encoder": ["transformers", "UMT5EncoderModel"],
    "tokenizer": ["transformers", "PreTrainedTokenizerFast"],
    "transformer": ["diffusers", "WanTransformer3DModel"],
}


def save_transformer(model: WanTransformer3DModel, folder: Path) -> None:
    """Write `transformer/` as bf16 safetensors; the model itself keeps its dtype."""
    save_weights(dict(model.config), model.state_dict(), folder)


def save_weights(config: Mapping[str, Any], weights: Mapping[str, Tensor], folder: Path) -> None:
    """Write `transformer/` from a configuration and a state dict; see `save_transformer`."""
    with torch.device("meta"):  # no initial weights to draw, so the global generator stays where it is
        sizes = {name: value for name, value in config.items() if not name.startswith("_")}  # not where it was read
        exported = WanTransformer3DModel(**sizes)
    exported.load_state_dict({name: tensor.to(torch.bfloat16) for name, tensor in weights.items()}, assign=True)
    exported.save_pretrained(folder / "transformer")


def complete_model_folder(folder: Path, shared_from: Path, flow_shift: float) -> None:
    """Add to a folder with a transformer everything else that sampling needs.

    Args:
        folder: holds `transformer/`.
        shared_from: model folder whose text encoder, tokenizer and codec are copied.
        flow_shift: default timestep shift of the UniPC scheduler, which Wan2.1's own pipelines use.
    """
    codec = codec_facts(shared_from).name
    for part in SHARED_PARTS:
        if (shared_from / part).resolve() != (folder / part).resolve():
            shutil.copytree(shared_from / part, folder / part, dirs_exist_ok=True)
    scheduler = UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=flow_shift, num_train_timesteps=TIMESTEPS
    )
    scheduler.save_pretrained(folder / "scheduler")
    library = "probekit.models.linear_codec" if codec == "LinearVideoCodec" else "diffusers"
    index = {"_class_name": "WanPipeline", "_diffusers_version": diffusers.__version__, **_COMPONENTS}
    write_json(folder / "model_index.json", {**index, "vae": [library, codec]})
    commit, dirty = git_state()
    packages = package_versions(("probekit", "torch", "diffusers", "transformers", "safetensors"))
    origin = {"command": command_line(), "commit": commit, "dirty": dirty, "packages": packages}
    write_json(folder / PROVENANCE, origin)
