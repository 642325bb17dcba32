"""Transformer configurations of the models that a recipe names, without weights and without the network."""

from collections.abc import Mapping
from typing import Any, Final

from probekit.errors import UserError
from probekit.geometry import LatentGeometry
from probekit.models.component_configs import text_sizes
from probekit.models.model_folder import local_place
from probekit.models.presets import WAN_1_3B, WAN_14B, family_of
from probekit.models.transformer_folder import transformer_arguments, transformer_folder

_HUB: Final[dict[str, dict[str, Any]]] = {
    "Wan-AI/Wan2.1-T2V-1.3B-Diffusers": WAN_1_3B,
    "Wan-AI/Wan2.1-T2V-14B-Diffusers": WAN_14B,
}
_UMT5_XXL: Final[dict[str, Any]] = {
    "vocab_size": 256_384, "d_model": 4096, "d_kv": 64, "num_heads": 64, "d_ff": 10_240, "num_layers": 24,
    "relative_attention_num_buckets": 32,
}  # fmt: skip


def known_architecture(model: str) -> dict[str, Any] | None:
    """Configuration of the transformer of a folder, a shipped model or a Hub id of Wan2.1; None for any other model.

    Raises:
        UserError: if the folder holds no text-to-video Wan, or half of one.
    """
    if model in _HUB:
        return _HUB[model]
    folder = local_place(model)
    return transformer_arguments(transformer_folder(folder)) if folder is not None and folder.is_dir() else None


def architecture(model: str, like: str) -> dict[str, Any]:
    """Configuration of a model's transformer.

    Args:
        model: folder, shipped model, or Hub id of Wan2.1.
        like: model whose architecture the export of a run that has not been trained yet will have.

    Raises:
        UserError: if neither is known, or the model is no text-to-video Wan.
    """
    for name in (model, like):
        known = known_architecture(name)
        if known is not None:
            return known
    raise UserError(
        f"The architecture of {model} is not known here.",
        f"Give a local folder or one of {', '.join(_HUB)}.",
    )


def latent_geometry(
    config: Mapping[str, Any], chunk_frames: int, latent_size: tuple[int, int] | None = None
) -> LatentGeometry:
    """Sizes of the latents that a transformer works on.

    Args:
        config: configuration of the transformer.
        chunk_frames: latent frames generated together.
        latent_size: rows and columns of a latent frame; None takes those of the model's family.
    """
    usual = family_of(config).geometry
    rows, columns = usual.latent_size if latent_size is None else latent_size
    return LatentGeometry(
        latent_channels=config["in_channels"],
        latent_height=rows,
        latent_width=columns,
        patch=tuple(config["patch_size"]),
        spatial_stride=usual.spatial_stride,
        chunk_frames=chunk_frames,
    )


def text_encoder_parameters(model: str) -> int:
    """Parameters of a model's text encoder: UMT5-xxl for Wan2.1.

    Raises:
        UserError: if the model is not known here.
    """
    if model in _HUB:
        return _umt5_parameters(_UMT5_XXL)
    folder = local_place(model)
    if folder is not None and (folder / "text_encoder" / "config.json").is_file():
        return _umt5_parameters(text_sizes(folder).model_dump())
    raise UserError(
        f"The text encoder of {model} is not known here.", f"Give a local folder or one of {', '.join(_HUB)}."
    )


def _umt5_parameters(config: dict[str, Any]) -> int:
    """Embedding, and a layer's q, k, v, o, gated feed-forward, two norms and relative positions; a last norm."""
    width, inner = config["d_model"], config["num_heads"] * config["d_kv"]
    positions = config["relative_attention_num_buckets"] * config["num_heads"]
    layer = 4 * width * inner + 3 * width * config["d_ff"] + 2 * width + positions
    return int(config["vocab_size"] * width + config["num_layers"] * layer + width)
