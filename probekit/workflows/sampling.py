"""Sampling a suite with a model folder."""

from pathlib import Path

import torch

from probekit.diffusion.sampler_settings import SamplerSettings
from probekit.evaluation.generation_runner import VideoGenerator, generate_suite
from probekit.evaluation.manifest import Shard
from probekit.evaluation.suites import Suite
from probekit.evaluation.video_set import VideoRow
from probekit.models.causal_card import is_causal, read_causal_card
from probekit.models.loading import model_folder
from probekit.models.prompt_cache import CachedPrompts
from probekit.rollout.bidirectional_sampler import BidirectionalSampler
from probekit.rollout.streaming_sampler import StreamingSampler, card_with, check_length
from probekit.streaming_options import StreamingOptions


def sample_suite(
    model: str,
    suite: Suite,
    out: Path,
    settings: SamplerSettings,
    *,
    seed: int = 0,
    shard: Shard | None = None,
    batch_size: int = 8,
    options: StreamingOptions | None = None,
    prompt_cache: Path | None = None,
    device: str = "cpu",
    bf16: bool = False,
) -> list[VideoRow]:
    """Sample a suite with a shipped model or a model folder; finished videos are kept.

    A causal generator streams with the sampler that it was trained for; the settings are a bidirectional model's.

    Args:
        model: shipped model, model folder or Hub id.
        suite: what to make.
        out: run folder.
        settings: of a bidirectional model's solver.
        seed: run seed of the noise.
        shard: this worker's share.
        batch_size: videos made together.
        options: of a streaming generator.
        prompt_cache: folder of prompt embeddings; with it the text encoder leaves memory before sampling begins.
        device: where a streaming generator runs.
        bf16: run it in half precision.

    Raises:
        UserError: for an unknown model folder, or an output folder of another protocol.
    """
    folder = model_folder(model)
    sampler = _sampler(folder, suite, settings, seed, options or _options(settings), prompt_cache, device, bf16)
    run = sampler.card.checkpoint_hash or "unknown"
    return generate_suite(sampler, suite, out, training_run=run[:12], shard=shard, batch_size=batch_size)


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
    bf16: bool,
) -> VideoGenerator:
    if not is_causal(folder):
        return BidirectionalSampler(folder, suite, settings, seed)
    card = card_with(read_causal_card(folder), options)
    check_length(folder, suite.frames, card.chunk_frames, options.policy)
    text = None
    if prompt_cache is not None:
        text = CachedPrompts(folder, prompt_cache)
        text.prepare([*suite.generation_texts().values(), options.negative_prompt])
    dtype = torch.bfloat16 if bf16 else torch.float32
    return StreamingSampler(folder, suite, seed, options, text, device, dtype)
