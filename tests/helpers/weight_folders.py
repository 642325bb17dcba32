"""Folders with weights as people have them: several sets, shards, files that are none."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import WanTransformer3DModel
from safetensors.torch import save_file
from torch import Tensor

from probekit.models.weight_names import to_original

INDEX = "diffusion_pytorch_model.safetensors.index.json"
STANDARD = "diffusion_pytorch_model.safetensors"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "a" * 64 + "\nsize 5676070424\n"
SIZE: dict[str, Any] = {
    "patch_size": (1, 2, 2), "num_attention_heads": 1, "attention_head_dim": 128, "in_channels": 16,
    "out_channels": 16, "text_dim": 32, "freq_dim": 32, "ffn_dim": 64, "num_layers": 1,
}  # fmt: skip
"""The smallest Wan whose heads need no configuration."""


def small_wan(**changes: Any) -> WanTransformer3DModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return WanTransformer3DModel(**{**SIZE, **changes}).eval()


def original_state(model: WanTransformer3DModel) -> dict[str, Tensor]:
    renamed = {to_original(name): value for name, value in model.state_dict().items()}
    assert None not in renamed
    return {str(name): value.contiguous() for name, value in renamed.items()}


def marked(state: Mapping[str, Tensor], mark: float) -> dict[str, Tensor]:
    """The same tensors, each filled with a number that tells whose they are."""
    return {name: torch.full_like(value, mark) for name, value in state.items()}


def write_shards(folder: Path, state: Mapping[str, Tensor], stem: str = "diffusion_pytorch_model") -> list[Path]:
    """Two shards without their index."""
    names = list(state)
    half = len(names) // 2
    paths = [folder / f"{stem}-0000{number}-of-00002.safetensors" for number in (1, 2)]
    for path, part in zip(paths, (names[:half], names[half:]), strict=True):
        save_file({name: state[name].contiguous() for name in part}, path)
    return paths


def write_index(path: Path, shards: list[Path]) -> None:
    from safetensors import safe_open

    weight_map = {}
    for shard in shards:
        with safe_open(shard, "pt") as file:
            weight_map |= dict.fromkeys(file.keys(), shard.name)
    path.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": weight_map}))


def safetensors_header(declared: Mapping[str, Any], data: bytes = b"") -> bytes:
    """A safetensors file whose header says what one likes."""
    header = json.dumps(declared).encode()
    return struct.pack("<Q", len(header)) + header + data


def two_experts(folder: Path, layout: str) -> Path:
    names = ("transformer", "transformer_2") if layout == "diffusers" else ("high_noise_model", "low_noise_model")
    for name in names:
        small_wan().save_pretrained(folder / name)
        if layout == "original":
            rewrite_as_original(folder / name)
    if layout == "index alone":
        index = {"_class_name": "WanPipeline", "transformer_2": ["diffusers", "WanTransformer3DModel"]}
        (folder / "model_index.json").write_text(json.dumps(index))
        (folder / "high_noise_model").rename(folder / "transformer")
        (folder / "low_noise_model").rename(folder / "elsewhere")
    return folder


def rewrite_as_original(folder: Path) -> None:
    described = {
        "model_type": "t2v", "dim": 128, "num_heads": 1, "ffn_dim": 64, "freq_dim": 32, "in_dim": 16, "out_dim": 16,
        "num_layers": 1, "text_dim": 32, "eps": 1e-6,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(described))
    save_file(original_state(small_wan()), folder / "diffusion_pytorch_model.safetensors")
