"""Sampling a suite with a model folder, and measuring how fast that goes."""

from pathlib import Path
from typing import NamedTuple

import torch

from probekit.devices import usable_device
from probekit.models.causal_card import is_causal
from probekit.models.model_folder import model_folder
from probekit.models.pipeline_folder import count_parameters, is_foreign
from probekit.models.prompt_cache import CachedPrompts
from probekit.models.transformer_folder import refuse_size
from probekit.provenance import command_line, hardware, package_versions
from probekit.rollout.bidirectional_sampler import BidirectionalSampler
from probekit.rollout.diffusers_sampler import DiffusersSampler
from probekit.rollout.generation_runner import Request, VideoGenerator, generate_suite
from probekit.rollout.settings import PipelineSettings, SamplerSettings, StreamingOptions
from probekit.rollout.speed import frame_source, measure
from probekit.rollout.streaming_sampler import StreamingSampler, planned_geometry
from probekit.run_folder.shard import Shard
from probekit.run_folder.speed_record import SpeedRecord, write_speed
from probekit.run_folder.video_set import VideoRow
from probekit.suites.suite import Suite


class SpeedSettings(NamedTuple):
    """How speed is measured.

    Attributes:
        warm_up: videos before the first measured one.
        repeats: measured videos.
    """

    warm_up: int = 1
    repeats: int = 3


def sample_suite(
    model: str,
    suite: Suite,
    out: Path,
    settings: SamplerSettings,
    *,
    seed: int = 0,
    shard: Shard | None = None,
    batch_size: int | None = None,
    options: StreamingOptions | None = None,
    pipeline: PipelineSettings | None = None,
    prompt_cache: Path | None = None,
    device: str = "cpu",
    bf16: bool = False,
    speed: SpeedSettings | None = None,
) -> list[VideoRow]:
    """Sample a suite with a shipped model or a model folder; finished videos are kept.

    A causal generator streams with the sampler that it was trained for; the settings are a bidirectional Wan's. A
    folder of another pipeline of diffusers is run by that pipeline.

    Args:
        model: shipped model, model folder or Hub id.
        suite: what to make.
        out: run folder.
        settings: settings of a bidirectional model's solver.
        seed: run seed of the noise.
        shard: this worker's share.
        batch_size: videos between two writes of the manifest; None is as many as go through the networks together.
        options: options of a streaming generator.
        pipeline: pipeline in place of the defaults of another pipeline.
        prompt_cache: folder of prompt embeddings; with it the text encoder leaves memory before sampling begins.
        device: where the networks run.
        bf16: run them in half precision.
        speed: also measure throughput and latency into `speed.json`.

    Raises:
        UserError: for a device that is not there, an unknown model folder, or an output folder of another protocol.
    """
    device = usable_device(device)
    folder = model_folder(model)
    dtype = torch.bfloat16 if bf16 else torch.float32
    if is_foreign(folder):
        sampler: VideoGenerator = DiffusersSampler(folder, suite, pipeline, seed, device, dtype)
    else:
        sampler = _sampler(folder, suite, settings, seed, options or _options(settings), prompt_cache, device, dtype)
    run = sampler.card.checkpoint_hash or "unknown"
    rows = generate_suite(sampler, suite, out, training_run=run[:12], shard=shard, batch_size=batch_size)
    if speed is not None:
        write_speed(out, _measured(sampler, folder, suite, speed, device, dtype))
    return rows


def _measured(
    sampler: VideoGenerator, folder: Path, suite: Suite, settings: SpeedSettings, device: str, dtype: torch.dtype
) -> SpeedRecord:
    key = suite.keys()[0]
    request = Request(key, suite.generation_texts()[key.prompt_id])
    timing = measure(frame_source(sampler), request, warm_up=settings.warm_up, repeats=settings.repeats)
    return SpeedRecord(
        model=str(sampler.card.model),
        parameters=count_parameters(folder),
        frames=suite.frames,
        height=suite.height,
        width=suite.width,
        streaming=isinstance(sampler, StreamingSampler),
        device=device,
        precision=str(dtype).removeprefix("torch."),
        warm_up=settings.warm_up,
        seconds=timing.seconds,
        first_output_seconds=timing.first_output,
        hardware=hardware(),
        packages=package_versions(("probekit", "torch", "diffusers", "transformers")),
        command=command_line(),
    )


def _options(settings: SamplerSettings) -> StreamingOptions:
    return StreamingOptions(negative_prompt=settings.negative_prompt)


def _sampler(
    folder: Path,
    suite: Suite,
    settings: SamplerSettings,
    seed: int,
    options: StreamingOptions,
    prompt_cache: Path | None,
    device: str,
    dtype: torch.dtype,
) -> VideoGenerator:
    refuse_size(folder, suite.height, suite.width, None if is_causal(folder) else suite.frames)
    if not is_causal(folder):
        return BidirectionalSampler(folder, suite, settings, seed, device, dtype)
    planned_geometry(folder, suite, options.policy)
    text = None
    if prompt_cache is not None:
        text = CachedPrompts(folder, prompt_cache)
        text.prepare([*suite.generation_texts().values(), options.negative_prompt])
    return StreamingSampler(folder, suite, seed, options, text, device, dtype)
