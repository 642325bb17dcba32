"""The one Wan transformer of a model folder: where it is, and what it is built from. Torch-free."""

import logging
from pathlib import Path
from typing import Any, Final

from probekit.errors import UserError
from probekit.models.component_configs import (
    COPY_AGAIN,
    WanTransformerConfig,
    checked,
    codec_facts,
    read_component_config,
    refuse_image_inputs,
    text_sizes,
    wan_arguments,
)
from probekit.models.model_geometry import geometry_of
from probekit.models.pipeline_folder import has_second_expert
from probekit.models.presets import WAN_TEXT_WIDTH

LOGGER = logging.getLogger("probekit")

_EXPERTS: Final = (("transformer", "transformer_2"), ("high_noise_model", "low_noise_model"))
"""Folders of Wan 2.2's two experts, in diffusers' and in the original layout."""
_ORIGINAL_KEYS: Final = {
    "num_heads": "num_attention_heads",
    "in_dim": "in_channels",
    "out_dim": "out_channels",
    "freq_dim": "freq_dim",
    "ffn_dim": "ffn_dim",
    "num_layers": "num_layers",
    "eps": "eps",
}


def transformer_folder(place: Path) -> Path:
    """The folder of a model's transformer: `transformer/`, or the given folder where that is one itself.

    Raises:
        UserError: if the model has two experts, or no transformer.
    """
    for first, second in _EXPERTS:
        if (place / second).is_dir() or (first == "transformer" and has_second_expert(place)):
            raise UserError(
                f"{place} is one model of two experts, {first} and {second} (Wan 2.2); neither is a model by itself.",
                f"Give a Wan with one transformer; `probekit weights inspect {place / first}` looks into one of them.",
            )
    inner = place / "transformer"
    if inner.is_dir():
        return inner
    for pair in _EXPERTS:
        if place.name in pair and all((place.parent / name).is_dir() for name in pair):
            LOGGER.warning("%s is one of the two experts of %s", place, place.parent)
    return place


def transformer_arguments(folder: Path) -> dict[str, Any] | None:
    """Constructor arguments from a transformer folder's `config.json`, diffusers' or the original Wan's.

    Returns:
        The arguments; None for a folder without a configuration.

    Raises:
        UserError: if it describes no text-to-video Wan, or sizes out of bounds.
    """
    if not (folder / "config.json").is_file():
        return None
    config = read_component_config(folder.parent, folder.name) if folder.name else read_component_config(folder, ".")
    path = folder / "config.json"
    return wan_arguments(config, path) if "_class_name" in config and "dim" not in config else _original(config, path)


def transformer_config(folder: Path) -> dict[str, Any]:
    """Constructor arguments of the transformer of a model folder, whose parts fit one another.

    Raises:
        UserError: if the folder has no such transformer, or its codec or text encoder has other sizes.
    """
    part = transformer_folder(folder)
    arguments = transformer_arguments(part)
    if arguments is None:
        raise UserError(f"{folder} is not a model folder: it has no transformer/config.json.", COPY_AGAIN)
    refuse_unfit_parts(arguments, folder, str(folder))
    return arguments


def refuse_size(folder: Path, height: int, width: int, frames: int | None = None) -> None:
    """Refuse videos that a model folder cannot make, before any weight is read.

    Args:
        folder: model folder.
        height: rows of a frame in pixels.
        width: columns of a frame in pixels.
        frames: RGB frames of a clip that is made whole; None for a stream, whose policy bounds it.

    Raises:
        UserError: naming the sizes that it can.
    """
    table = transformer_config(folder)["rope_max_seq_len"]
    geometry = geometry_of(folder, height, width)
    if max(geometry.token_rows, geometry.token_columns) > table:
        _, rows, columns = geometry.patch
        most = table * geometry.spatial_stride
        raise UserError(
            f"{folder.name} cannot make frames of {height}x{width}: its positions end at {most * rows}x"
            f"{most * columns} pixels.",
            "Use smaller frames.",
        )
    latent_frames = 0 if frames is None else geometry.latent_frames(frames)
    if latent_frames > table:
        raise UserError(
            f"{folder.name} cannot make {frames} frames at once: its positions end at {table} latent frames.",
            "Ask for fewer --seconds, or stream with a causal generator.",
        )


def refuse_unfit_parts(arguments: dict[str, Any], parts: Path, source: str) -> None:
    """Refuse a codec or a text encoder that a transformer cannot work with.

    Args:
        arguments: constructor arguments of the transformer.
        parts: model folder with `vae/` and `text_encoder/`.
        source: name of the transformer, for messages.

    Raises:
        UserError: if a part is missing, out of bounds, or of another size.
    """
    codec, width = codec_facts(parts), text_sizes(parts).d_model
    if arguments["in_channels"] != codec.channels:
        raise UserError(
            f"The transformer of {source} reads latents of {arguments['in_channels']} channels, the codec in "
            f"{parts / 'vae'} has {codec.channels}.",
            "Give the codec that belongs to the transformer.",
        )
    if arguments["text_dim"] != width:
        raise UserError(
            f"The transformer of {source} reads texts of width {arguments['text_dim']}, the encoder in "
            f"{parts / 'text_encoder'} has {width}.",
            "Give the text encoder that belongs to the transformer.",
        )


def _original(found: dict[str, Any], path: Path) -> dict[str, Any]:
    kind = found.get("model_type", "t2v")
    if kind != "t2v":
        shown = str(kind)[:20]
        raise UserError(f"{path} describes a {shown.upper()} model (model_type {shown}).", "Give a T2V Wan.")
    missing = [key for key in (*_ORIGINAL_KEYS, "dim") if key not in found]
    if missing:
        raise UserError(f"{path} describes no Wan: it lacks {', '.join(missing)}.", "Give a T2V Wan.")
    heads, width = found["num_heads"], found["dim"]
    if not (isinstance(heads, int) and isinstance(width, int)) or heads < 1 or width % heads:
        raise UserError(f"{path}: num_heads = {heads!r} do not divide dim = {width!r}.", "Copy the file again.")
    config = {ours: found[theirs] for theirs, ours in _ORIGINAL_KEYS.items()}
    config["text_dim"] = found.get("text_dim", WAN_TEXT_WIDTH)  # the published files leave it out
    arguments = checked(WanTransformerConfig, config | {"attention_head_dim": width // heads}, path).model_dump()
    refuse_image_inputs(arguments, str(path))
    return arguments
