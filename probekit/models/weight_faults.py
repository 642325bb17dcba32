"""What a file of tensors is that holds no whole Wan transformer, told by its names and number formats."""

import re
from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor

from probekit.errors import UserError

_SHOWN: Final = 6
_LORA: Final = re.compile(r"(^|[._])(lora_\w+|lokr_\w+|hada_\w+|diff|diff_b|dora_scale)(\.|$)|^lora_")
_SCALES: Final = re.compile(r"(^|\.)(scaled_fp8|scale_weight|weight_scale\w*|scale_input|input_scale)$")
_QUANTISED: Final = re.compile(
    r"\.(absmax|quant_map|quant_state\..*|qweight|qzeros|scales|wscales|SCB|nested_absmax|comfy_quant)$"
)
_REAL: Final = (
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2,
)  # fmt: skip
_TEXT: Final = ("shared.weight", "encoder.block.", "token_embedding.", "text_model.")
_CODEC: Final = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.", "conv1.", "conv2.")
_IMAGE: Final = ("img_emb.", "condition_embedder.image_embedder.", "vace_blocks.", "vace_patch_embedding.")
_TRANSFORMER: Final = "Give the weights of the transformer."


def refuse_partial_weights(source: str, tensors: Mapping[str, Tensor]) -> None:
    """Refuse weights that stand for others: adapters, and numbers that need scales.

    Args:
        source: name of the file, for messages.
        tensors: tensors by the names in the file.

    Raises:
        UserError: naming what they are, with some of their names.
    """
    adapters = [name for name in tensors if _LORA.search(name)]
    if adapters:
        raise UserError(
            f"{source} is a LoRA or another adapter, not a whole model: {shown(adapters)}.",
            "Merge it into its base model first, e.g. with diffusers' fuse_lora, and give the result.",
        )
    scales = [name for name in tensors if _SCALES.search(name)]
    if scales:
        raise UserError(
            f"{source} is scaled fp8: its weights need the scales {shown(scales)}.",
            "Give the model in bf16, fp16 or fp32.",
        )
    whole = [name for name, tensor in tensors.items() if tensor.dtype not in _REAL]
    quantised = [name for name in tensors if _QUANTISED.search(name)] or whole
    if quantised:
        raise UserError(
            f"{source} holds quantised weights or other numbers than real ones: {shown(quantised)}.",
            "Give the model in bf16, fp16 or fp32.",
        )


def not_wan(source: str, names: list[str]) -> UserError:
    """What to say of weights that lack what every Wan transformer has.

    Args:
        source: name of the file, for messages.
        names: names of its tensors without known prefixes.
    """
    if any(name.startswith(_TEXT) for name in names):
        return UserError(f"{source} is a text encoder, not a Wan transformer: {shown(names)}.", _TRANSFORMER)
    if all(name.startswith(_CODEC) for name in names):
        return UserError(f"{source} is a video codec (VAE), not a Wan transformer: {shown(names)}.", _TRANSFORMER)
    prefix = _common_prefix(names)
    if prefix:
        return UserError(
            f"{source}: every name begins with {prefix!r}, a prefix that is not known here: {shown(names)}.",
            "Save the weights without it.",
        )
    return UserError(f"{source} does not hold the weights of a Wan transformer: {shown(names)}.", "Check the file.")


def _common_prefix(names: list[str]) -> str:
    """The parts, up to the last dot, with which the names of a whole Wan begin behind something unknown."""
    found = [name.partition("patch_embedding.")[0] for name in names if "patch_embedding." in name]
    return found[0] if found and found[0] and all(name.startswith(found[0]) for name in names) else ""


def image_inputs(names: list[str]) -> list[str]:
    """The names that only models with images or videos among their inputs have."""
    return [name for name in names if name.startswith(_IMAGE)]


def shown(names: list[str]) -> str:
    """The first names of a list, and how many more there are."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"
