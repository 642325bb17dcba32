"""Opening a folder of a diffusers pipeline: no code of the folder runs, and what it is comes before what it weighs."""

import sys
from pathlib import Path
from typing import Final

import diffusers
import torch
from diffusers import DiffusionPipeline
from diffusers.utils.logging import disable_progress_bar

from probekit.errors import UserError
from probekit.library_errors import reading
from probekit.models.component_configs import COPY_AGAIN, class_named, codec_facts, read_component_config
from probekit.models.pipeline_folder import denoiser_sets, pipeline_class, refuse_pipeline_code
from probekit.tensor_files import format_of

_WAN_CODEC: Final = "AutoencoderKLWan"


def pipeline_kind(folder: Path) -> type[DiffusionPipeline]:
    """The class of a folder's pipeline; nothing is loaded.

    Raises:
        UserError: if the folder brings code along, or diffusers has no such pipeline.
    """
    refuse_pipeline_code(folder)
    name = pipeline_class(folder) or "DiffusionPipeline"
    with reading(f"diffusers cannot open {folder}", "Give a folder of a text-to-video pipeline."):
        kind = getattr(diffusers, name, None)
    if not (isinstance(kind, type) and issubclass(kind, DiffusionPipeline)) or kind is DiffusionPipeline:
        raise UserError(
            f"{folder} names the pipeline {name}, which diffusers {diffusers.__version__} does not have.",
            "Update diffusers, or give a folder of another pipeline.",
        )
    return kind


def wan_stride(folder: Path) -> int | None:
    """Pixels along a side of one latent position of a folder with Wan's codec; None for other codecs.

    Raises:
        UserError: if the codec's configuration is damaged or out of bounds.
    """
    if not (folder / "vae" / "config.json").is_file():
        return None
    name = class_named(read_component_config(folder, "vae"), folder / "vae" / "config.json")
    return codec_facts(folder).stride if name == _WAN_CODEC else None


def open_pipeline(folder: Path, dtype: torch.dtype) -> DiffusionPipeline:
    """Open a pipeline with the classes of diffusers and transformers alone.

    Raises:
        UserError: naming the file that is no weights, or in diffusers' words why the folder does not open.
    """
    for chosen in denoiser_sets(folder).values():
        for path in chosen.files:
            format_of(path)
    if not sys.stderr.isatty():
        disable_progress_bar()  # in a log, a bar is one endless line
    with reading(f"diffusers cannot open {folder}", COPY_AGAIN):
        return DiffusionPipeline.from_pretrained(
            folder, torch_dtype=dtype, use_safetensors=True, local_files_only=True, trust_remote_code=False
        )
