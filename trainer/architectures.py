"""Transformer configurations of the models that a recipe names, without weights and without the network."""

from pathlib import Path
from typing import Any, Final

from probekit.errors import UserError
from probekit.models.loading import SHIPPED_MODELS, read_component_config
from probekit.models.presets import WAN_1_3B, WAN_14B

_HUB: Final[dict[str, dict[str, Any]]] = {
    "Wan-AI/Wan2.1-T2V-1.3B-Diffusers": WAN_1_3B,
    "Wan-AI/Wan2.1-T2V-14B-Diffusers": WAN_14B,
}
WAN_TEXT_TOKENS: Final = 512
SPRITE_TEXT_TOKENS: Final = 16


def architecture(model: str, like: str) -> dict[str, Any]:
    """Configuration of a model's transformer.

    Args:
        model: folder, shipped model, or Hub id of Wan2.1.
        like: model whose architecture the export of a run that has not been trained yet will have.

    Raises:
        UserError: if neither is known.
    """
    for name in (model, like):
        if name in _HUB:
            return _HUB[name]
        for folder in (SHIPPED_MODELS / name, Path(name)):
            if (folder / "transformer" / "config.json").is_file():
                return read_component_config(folder, "transformer")
    raise UserError(
        f"The architecture of {model} is not known here.",
        f"Give a local folder or one of {', '.join(_HUB)}.",
    )


def text_tokens(config: dict[str, Any]) -> int:
    """Length to which prompts are padded: 512 for Wan, less in the sprite world."""
    return WAN_TEXT_TOKENS if config["text_dim"] == WAN_1_3B["text_dim"] else SPRITE_TEXT_TOKENS
