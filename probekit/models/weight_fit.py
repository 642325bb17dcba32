"""Whether weights are those of a Wan transformer, and of which size."""

from collections.abc import Mapping
from typing import Any, Final

import torch
from diffusers import WanTransformer3DModel
from torch import Tensor

from probekit.config_errors import validated
from probekit.errors import UserError
from probekit.models.component_configs import WanTransformerConfig, refuse_image_inputs
from probekit.models.weight_faults import image_inputs, not_wan, shown

WAN_HEAD_WIDTH: Final = 128


def inferred_config(weights: Mapping[str, Tensor], source: str, heads: int | None = None) -> dict[str, Any]:
    """Constructor arguments of `WanTransformer3DModel`, read off the shapes.

    Args:
        weights: weights by diffusers' names.
        source: name of the file, for messages.
        heads: attention heads, which no shape tells; None assumes Wan's heads of 128.

    Raises:
        UserError: if the weights are not a Wan transformer's, or the heads do not divide its width.
    """
    try:
        width, channels, *patch = weights["patch_embedding.weight"].shape
        sizes = {
            "patch_size": tuple(patch),
            "num_layers": len({name.split(".")[1] for name in weights if name.startswith("blocks.")}),
            "in_channels": channels,
            "out_channels": weights["proj_out.weight"].shape[0] // (patch[1] * patch[2]),
            "ffn_dim": weights["blocks.0.ffn.net.0.proj.weight"].shape[0],
            "freq_dim": weights["condition_embedder.time_embedder.linear_1.weight"].shape[1],
            "text_dim": weights["condition_embedder.text_embedder.linear_1.weight"].shape[1],
            "cross_attn_norm": "blocks.0.norm2.weight" in weights,
        }
    except (KeyError, ValueError, IndexError, ZeroDivisionError) as error:
        raise not_wan(source, list(weights)) from error
    count = heads or width // WAN_HEAD_WIDTH
    if not count or width % count:
        raise UserError(f"{count} heads do not divide the width {width}.", "Give the number of heads: --heads.")
    sizes |= {"num_attention_heads": count, "attention_head_dim": width // count}
    config = validated(WanTransformerConfig, sizes, source).model_dump()
    refuse_image_inputs(config, source)
    return config


def check_fit(
    weights: Mapping[str, Tensor], config: Mapping[str, Any], source: str, unknown: tuple[str, ...] = ()
) -> None:
    """Refuse weights that are not exactly those of a model.

    Raises:
        UserError: naming missing and leftover keys and wrong shapes.
    """
    if "patch_embedding.weight" not in weights:
        raise not_wan(source, [*weights, *unknown])
    with torch.device("meta"):
        expected = WanTransformer3DModel(**config).state_dict()
    leftover = [*(name for name in weights if name not in expected), *unknown]
    problems = _named("missing", [name for name in expected if name not in weights])
    problems += _named("left over", leftover)
    problems += _named(
        "wrong shape",
        [
            f"{name} is {tuple(weights[name].shape)}, not {tuple(value.shape)}"
            for name, value in expected.items()
            if name in weights and weights[name].shape != value.shape
        ],
    )
    if problems:
        more = "It takes images or videos: give" if image_inputs(leftover) else "Check that it is"
        raise UserError(f"{source} does not fit the model: {'; '.join(problems)}.", f"{more} a T2V Wan of this size.")


def _named(what: str, names: list[str]) -> list[str]:
    return [f"{what}: {shown(names)}"] if names else []
