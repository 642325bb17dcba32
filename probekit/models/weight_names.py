"""Names of Wan's parameters: the original layout, diffusers' layout, and what training wraps around them.

Torch-free. The rules follow diffusers' `convert_wan_to_diffusers.py`, as anchored patterns whose order does not
matter; shapes are the same in both layouts. Text-to-video models only.
"""

import re
from collections.abc import Iterable
from typing import Final

WRAPPERS: Final = ("_fsdp_wrapped_module.", "_checkpoint_wrapped_module.", "_orig_mod.", "module.")
"""What FSDP, activation checkpointing, torch.compile and DDP put into names."""

_HEAD: Final = {
    "patch_embedding": "patch_embedding",
    "text_embedding.0": "condition_embedder.text_embedder.linear_1",
    "text_embedding.2": "condition_embedder.text_embedder.linear_2",
    "time_embedding.0": "condition_embedder.time_embedder.linear_1",
    "time_embedding.2": "condition_embedder.time_embedder.linear_2",
    "time_projection.1": "condition_embedder.time_proj",
    "head.head": "proj_out",
}
_TABLES: Final = {"head.modulation": "scale_shift_table"}
_ATTENTION: Final = {
    "q": "to_q", "k": "to_k", "v": "to_v", "o": "to_out.0", "norm_q": "norm_q", "norm_k": "norm_k",
}  # fmt: skip
_BLOCK: Final = {"norm3": "norm2", "ffn.0": "ffn.net.0.proj", "ffn.2": "ffn.net.2"} | {
    f"{old}.{part}": f"{new}.{name}"
    for old, new in (("self_attn", "attn1"), ("cross_attn", "attn2"))
    for part, name in _ATTENTION.items()
}
_ORIGINAL_ONLY: Final = ("text_embedding.", "head.modulation")


def unwrapped(name: str) -> str:
    """A parameter's name without wrappers and the leading `model.` (official code) or `diffusion_model.` (ComfyUI)."""
    for wrapper in WRAPPERS:
        name = name.replace(wrapper, "")
    return name.removeprefix("model.").removeprefix("diffusion_model.")


def is_original_layout(names: Iterable[str]) -> bool:
    """Whether unwrapped names are those of the original Wan code rather than diffusers'."""
    return any(name.startswith(_ORIGINAL_ONLY) for name in names)


def to_diffusers(name: str) -> str | None:
    """Diffusers' name of an original parameter; None for a name that no text-to-video Wan has."""
    return _translate(name, _HEAD, _TABLES, _BLOCK, "modulation", "scale_shift_table")


def to_original(name: str) -> str | None:
    """The original name of a diffusers parameter; None for a name that no text-to-video Wan has."""
    head, tables, block = ({new: old for old, new in part.items()} for part in (_HEAD, _TABLES, _BLOCK))
    return _translate(name, head, tables, block, "scale_shift_table", "modulation")


def _translate(
    name: str, head: dict[str, str], tables: dict[str, str], block: dict[str, str], table: str, new_table: str
) -> str | None:
    if name in tables:
        return tables[name]
    stem, _, kind = name.rpartition(".")
    inside = re.fullmatch(r"(blocks\.\d+)\.(.+)", name)
    if inside is None:
        return f"{head[stem]}.{kind}" if stem in head and kind in ("weight", "bias") else None
    if inside[2] == table:
        return f"{inside[1]}.{new_table}"
    stem, _, kind = inside[2].rpartition(".")
    return f"{inside[1]}.{block[stem]}.{kind}" if stem in block and kind in ("weight", "bias") else None
