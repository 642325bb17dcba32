"""Sampling a suite with a model folder, and measuring how fast that goes."""

from pathlib import Path
from typing import NamedTuple

from probekit.devices import usable_device
from probekit.errors import UserError
from probekit.models.causal_card import is_causal
from probekit.models.model_folder import model_folder
from probekit.models.pipeline_folder import count_parameters, is_foreign
from probekit.models.prompt_cache import CachedPrompts
from probekit.models.transformer_folder import refuse_size
from probekit.provenance import command_line, hardware, package_versions
from probekit.rollout.bidirectional_sampler import BidirectionalSampler
from probekit.rollout.diffusers_sampler import DiffusersSampler
from probekit.rollout.generation_runner import Request, VideoGenerator, generate_suite
from probekit.rollout.sampling_config import SamplingConfig
from probekit.rollout.speed import frame_source, measure
from probekit.rollout.streaming_sampler import StreamingSampler, planned_geometry
from probekit.rollout.world_sampler import WORLD_MODEL, WorldSampler
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
    config: SamplingConfig | None = None,
    *,
    shard: Shard | None = None,
    batch_size: int | None = None,
    prompt_cache: Path | None = None,
    speed: SpeedSettings | None = None,
) -> list[VideoRow]:
    """Sample a suite with a shipped model or a model folder; finished videos are kept.

    A causal generator streams with the sampler that it was trained for. A folder of another pipeline of diffusers is
    run by that pipeline. The name `sprite-world` is the world itself, which renders true videos.

    Args:
        model: shipped model, model folder, Hub id, or `sprite-world`.
        suite: what to make.
        out: run folder.
        config: how it is sampled; None is the default.
        shard: this worker's share.
        batch_size: videos between two writes of the manifest; None is as many as go through the networks together.
        prompt_cache: folder of prompt embeddings; with it the text encoder leaves memory before sampling begins.
        speed: settings of a measurement of throughput and latency into `speed.json`; None measures nothing.

    Raises:
        UserError: for a device that is not there, an unknown model folder, an output folder of another protocol, or
            what the model's sampler has no use for.
    """
    asked = config or SamplingConfig()
    config = asked.model_copy(update={"device": usable_device(asked.device)})
    if model == WORLD_MODEL:
        _refuse_network_options(prompt_cache, speed)
        sampler: VideoGenerator = WorldSampler(suite, config)
    else:
        sampler = _sampler(model_folder(model), suite, config, prompt_cache)
    run = sampler.card.checkpoint_hash or "unknown"
    rows = generate_suite(sampler, suite, out, training_run=run[:12], shard=shard, batch_size=batch_size)
    if speed is not None:
        write_speed(out, _measured(sampler, model_folder(model), suite, speed, config))
    return rows


def _refuse_network_options(prompt_cache: Path | None, speed: SpeedSettings | None) -> None:
    if prompt_cache is not None or speed is not None:
        raise UserError(
            "The sprite world has no network whose prompts could be kept or whose speed could be measured.",
            "Leave out --prompt-cache and --measure.",
        )


def _measured(
    sampler: VideoGenerator, folder: Path, suite: Suite, settings: SpeedSettings, config: SamplingConfig
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
        device=config.device,
        precision=config.precision,
        warm_up=settings.warm_up,
        seconds=timing.seconds,
        first_output_seconds=timing.first_output,
        hardware=hardware(),
        packages=package_versions(("probekit", "torch", "diffusers", "transformers")),
        command=command_line(),
    )


def _sampler(folder: Path, suite: Suite, config: SamplingConfig, prompt_cache: Path | None) -> VideoGenerator:
    if is_foreign(folder):
        return DiffusersSampler(folder, suite, config)
    refuse_size(folder, suite.height, suite.width, None if is_causal(folder) else suite.frames)
    if not is_causal(folder):
        return BidirectionalSampler(folder, suite, config)
    planned_geometry(folder, suite, config.stream_policy)
    text = None
    if prompt_cache is not None:
        text = CachedPrompts(folder, prompt_cache)
        text.prepare([*suite.generation_texts().values(), config.negative_prompt or ""])
    return StreamingSampler(folder, suite, config, text)
