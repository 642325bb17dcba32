"""Whether weights are those of a Wan transformer, and of which size."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from diffusers import WanTransformer3DModel
from torch import Tensor

from probekit.errors import UserError

WAN_HEAD_WIDTH: Final = 128
WAN_TEXT_WIDTH: Final = 4096
_PATCH: Final = (1, 2, 2)
_SHOWN: Final = 6
_ORIGINAL_KEYS: Final = {
    "num_heads": "num_attention_heads",
    "in_dim": "in_channels",
    "out_dim": "out_channels",
    "freq_dim": "freq_dim",
    "ffn_dim": "ffn_dim",
    "num_layers": "num_layers",
    "eps": "eps",
}


def inferred_config(weights: Mapping[str, Tensor], heads: int | None = None) -> dict[str, Any]:
    """Constructor arguments of `WanTransformer3DModel`, read off the shapes.

    Args:
        weights: by diffusers' names.
        heads: attention heads, which no shape tells; None assumes Wan's heads of 128.

    Raises:
        UserError: if the weights are not a Wan transformer's, or the heads do not divide its width.
    """
    try:
        width, channels, *_ = weights["patch_embedding.weight"].shape
        config = {
            "patch_size": _PATCH,
            "num_layers": 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("blocks.")),
            "in_channels": channels,
            "out_channels": weights["proj_out.weight"].shape[0] // (_PATCH[1] * _PATCH[2]),
            "ffn_dim": weights["blocks.0.ffn.net.0.proj.weight"].shape[0],
            "freq_dim": weights["condition_embedder.time_embedder.linear_1.weight"].shape[1],
            "text_dim": weights["condition_embedder.text_embedder.linear_1.weight"].shape[1],
            "cross_attn_norm": "blocks.0.norm2.weight" in weights,
        }
    except (KeyError, ValueError) as error:
        raise UserError(
            f"These are not the weights of a Wan transformer: {error} is missing.", "Check the file."
        ) from error
    count = heads or width // WAN_HEAD_WIDTH
    if not count or width % count:
        raise UserError(f"{count} heads do not divide the width {width}.", "Give the number of heads: --heads.")
    return config | {"num_attention_heads": count, "attention_head_dim": width // count}


def original_config(path: Path) -> dict[str, Any]:
    """Constructor arguments from the `config.json` of the original Wan layout.

    Raises:
        UserError: if the file describes no text-to-video Wan.
    """
    found = json.loads(path.read_text(encoding="utf-8"))
    missing = [key for key in (*_ORIGINAL_KEYS, "dim") if key not in found]
    if missing or found.get("model_type", "t2v") != "t2v":
        raise UserError(f"{path} describes no text-to-video Wan ({', '.join(missing)}).", "Give a T2V model.")
    config = {ours: found[theirs] for theirs, ours in _ORIGINAL_KEYS.items()}
    config["text_dim"] = found.get("text_dim", WAN_TEXT_WIDTH)  # the published files leave it out
    return config | {"attention_head_dim": found["dim"] // found["num_heads"], "patch_size": _PATCH}


def check_fit(
    weights: Mapping[str, Tensor], config: Mapping[str, Any], source: str, unknown: tuple[str, ...] = ()
) -> None:
    """Refuse weights that are not exactly those of a model.

    Raises:
        UserError: naming missing and leftover keys and wrong shapes.
    """
    with torch.device("meta"):
        expected = WanTransformer3DModel(**config).state_dict()
    problems = _named("missing", [name for name in expected if name not in weights])
    problems += _named("left over", [*(name for name in weights if name not in expected), *unknown])
    shapes = [
        f"{name} is {tuple(weights[name].shape)}, not {tuple(value.shape)}"
        for name, value in expected.items()
        if name in weights and weights[name].shape != value.shape
    ]
    problems += _named("wrong shape", shapes)
    if problems:
        raise UserError(
            f"{source} does not fit the model: {'; '.join(problems)}.", "Check that it is a T2V Wan of this size."
        )


def _named(what: str, names: list[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return [f"{what}: {', '.join(names[:_SHOWN])}{more}"]
