"""Sampling of suites with any diffusers text-to-video pipeline, under the same keys and protocol card as our models."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from diffusers import DiffusionPipeline
from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.geometry import LatentGeometry
from probekit.models.loading import data_type, model_name
from probekit.models.model_geometry import transformer_geometry
from probekit.models.pipeline_folder import hash_denoisers, pipeline_class
from probekit.models.presets import WAN_480P_GEOMETRY
from probekit.rollout.generation_runner import Request
from probekit.rollout.initial_noise import initial_noise
from probekit.rollout.pipeline_opening import open_pipeline, pipeline_kind, wan_stride
from probekit.rollout.sampling_config import STREAM_FIELDS, SamplingConfig
from probekit.run_folder.protocol_card import GenerationCard
from probekit.run_folder.sample_key import SampleKey
from probekit.seeding import counter_seed
from probekit.suites.suite import Suite

_NEEDED: Final = ("prompt", "height", "width", "num_frames", "generator", "output_type")
_TEMPORAL_STRIDES: Final = ("vae_scale_factor_temporal", "vae_temporal_compression_ratio")
_SHIFTS: Final = ("flow_shift", "shift")
_WAN_LATENTS: Final = ("WanPipeline", "SkyReelsV2Pipeline")
"""Pipelines that take Wan's latents (B, C, L, h, w) as they are; these start from the noise of our own samplers."""


class _Call(NamedTuple):
    """How a pipeline is called for every video.

    Attributes:
        arguments: all but the prompt and the noise.
        steps: solver steps, if it says how many.
        guidance: scale of guidance, if it has one.
        negative_prompt: what guidance steers away from; None without guidance.
    """

    arguments: dict[str, Any]
    steps: int | None
    guidance: float | None
    negative_prompt: str | None


class DiffusersSampler:
    """Samples suites with a folder that `DiffusionPipeline.save_pretrained` wrote; implements `VideoGenerator`.

    Noise belongs to the key of a video: as latents where the pipeline takes Wan's, else as one CPU generator per video.
    Videos are made one per call, so that a batch neither changes them nor needs memory.

    Args:
        folder: folder with `model_index.json`.
        suite: suite whose frame size, length and frame rate are sampled.
        config: what is sampled otherwise than by the pipeline's defaults.

    Raises:
        UserError: if the folder cannot be opened, its pipeline does not make videos from text, or not of this length,
            or the configuration sets what is a stream's alone.
    """

    def __init__(self, folder: Path, suite: Suite, config: SamplingConfig | None = None) -> None:
        config = config or SamplingConfig()
        config.refuse(STREAM_FIELDS, "A pipeline of diffusers")
        self._call = _call(pipeline_kind(folder), suite, config)
        _check_wan_size(folder, suite)
        self._pipeline = open_pipeline(folder, data_type(config.precision))
        self._name = type(self._pipeline).__name__
        self._suite = suite
        self._seed = config.seed
        _check_length(self._pipeline, suite.frames)
        self._geometry = _wan_geometry(self._pipeline, suite) if self._name in _WAN_LATENTS else None
        shift = _shift(self._pipeline, config.shift)
        self._pipeline.to(config.device)
        self._pipeline.set_progress_bar_config(disable=True)
        self.card = GenerationCard(
            model=model_name(folder),
            checkpoint_hash=hash_denoisers(folder),
            seed=config.seed,
            frames=suite.frames,
            fps=suite.fps,
            height=suite.height,
            width=suite.width,
            sampler=f"{self._name} {type(self._pipeline.scheduler).__name__}",
            steps=self._call.steps,
            guidance=self._call.guidance,
            shift=shift,
            negative_prompt=self._call.negative_prompt,
            codec=type(self._pipeline.vae).__name__,
            precision=config.card_precision,
            batch_size=1,
        )

    def generate(self, requests: list[Request]) -> NDArray[Any]:
        """Make videos (B, T, H, W, 3) uint8; each depends on its own key and prompt alone.

        Raises:
            UserError: if the pipeline refuses the size or length, or gives another one, or pixels that are not numbers.
        """
        return np.stack([self._video(request) for request in requests])

    def _video(self, request: Request) -> NDArray[np.uint8]:
        suite = self._suite
        asked = f"{suite.frames} frames of {suite.height}x{suite.width}"
        try:
            result = self._pipeline(prompt=[request.prompt], **self._noise(request.key), **self._call.arguments)
        except ValueError as error:
            raise UserError(f"{self._name} refuses {asked}: {error}", "Choose another --size or --seconds.") from error
        video = np.asarray(result.frames)[0]
        if video.shape != (suite.frames, suite.height, suite.width, 3):
            made = f"{video.shape[0]} frames of {video.shape[1]}x{video.shape[2]}"
            raise UserError(f"{self._name} made {made}, not {asked}.", "Choose another --size or --seconds.")
        if not np.isfinite(video).all():
            raise UserError(f"{self._name} made pixels that are not numbers.", "Sample it without --bf16.")
        pixels: NDArray[np.uint8] = np.rint(np.clip(video, 0, 1) * 255).astype(np.uint8)
        return pixels

    def _noise(self, key: SampleKey) -> dict[str, Any]:
        source = torch.Generator("cpu").manual_seed(counter_seed("pipeline", self._seed, key.prompt_id, key.sample))
        if self._geometry is None:
            return {"generator": [source]}
        frames = self._geometry.latent_frames(self._suite.frames)
        return {"generator": [source], "latents": initial_noise(self._geometry, frames, self._seed, key)[None]}


def _check_wan_size(folder: Path, suite: Suite) -> None:
    """Refuse lengths and sizes that Wan's codec cannot make; what others can is known once they are open."""
    stride = wan_stride(folder)
    if stride is None:
        return
    if (suite.frames - 1) % WAN_480P_GEOMETRY.temporal_stride:
        raise _bad_length(str(pipeline_class(folder)), WAN_480P_GEOMETRY.temporal_stride, suite.frames)
    if suite.height % stride or suite.width % stride:
        raise UserError(
            f"{pipeline_class(folder)} refuses frames of {suite.height}x{suite.width}: no multiples of {stride}.",
            "Choose another --size.",
        )


def _call(kind: type[DiffusionPipeline], suite: Suite, config: SamplingConfig) -> _Call:
    name = kind.__name__
    known = {key: value for key, value in inspect.signature(kind.__call__).parameters.items() if key != "self"}
    for needed in _NEEDED:
        if needed not in known:
            raise UserError(f"{name} is no text-to-video pipeline: it takes no {needed}.", "Give one that is.")
    unfilled = [key for key, value in known.items() if value.default is value.empty and key != "prompt"]
    if unfilled:
        raise UserError(f"{name} needs more than a prompt: {', '.join(unfilled)}.", "Give a text-to-video pipeline.")
    arguments: dict[str, Any] = {
        "height": suite.height, "width": suite.width, "num_frames": suite.frames, "output_type": "np"
    }  # fmt: skip
    if "frame_rate" in known:
        arguments["frame_rate"] = suite.fps
    steps = _chosen(name, known, "num_inference_steps", config.steps, arguments)
    guidance = _chosen(name, known, "guidance_scale", config.guidance, arguments)
    negative: str | None = None
    if config.negative_prompt is not None or "negative_prompt" in known:
        negative = _chosen(name, known, "negative_prompt", config.negative_prompt or "", arguments)
    return _Call(arguments, steps, guidance, negative if guidance is not None and guidance > 1 else None)


def _chosen(name: str, known: Mapping[str, inspect.Parameter], key: str, value: Any, arguments: dict[str, Any]) -> Any:
    """Put a chosen value among the arguments; return what holds, the pipeline's default where nothing was chosen."""
    if value is not None:
        if key not in known:
            raise UserError(f"{name} takes no {key}.", "Leave that option out.")
        arguments[key] = value
        return value
    return known[key].default if key in known else None


def _check_length(pipeline: DiffusionPipeline, frames: int) -> None:
    for name in _TEMPORAL_STRIDES:
        stride = getattr(pipeline, name, None)
        if stride and (frames - 1) % stride:
            raise _bad_length(type(pipeline).__name__, stride, frames)


def _bad_length(name: str, stride: int, frames: int) -> UserError:
    below = 1 + (frames - 1) // stride * stride
    return UserError(
        f"{name} makes videos of 1 + {stride}·n frames, not of {frames}.",
        f"Choose a length with {below} or {below + stride} frames.",
    )


def _wan_geometry(pipeline: DiffusionPipeline, suite: Suite) -> LatentGeometry:
    config, stride = pipeline.transformer.config, pipeline.vae_scale_factor_spatial
    return transformer_geometry(config, stride, suite.height, suite.width, owner=type(pipeline).__name__)


def _shift(pipeline: DiffusionPipeline, shift: float | None) -> float | None:
    """Set the scheduler's timestep shift if one is asked for; return what holds, None where the scheduler has none."""
    settings = pipeline.scheduler.config
    name = next((name for name in _SHIFTS if name in settings and not settings.get("use_dynamic_shifting")), None)
    if shift is None:
        return None if name is None else float(settings[name])
    if name is None:
        raise UserError(f"{type(pipeline).__name__} finds its timestep shift itself.", "Leave --shift out.")
    pipeline.scheduler = type(pipeline.scheduler).from_config(settings, **{name: shift})
    return shift
