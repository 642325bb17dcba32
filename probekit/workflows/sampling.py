"""Sampling a suite with a model folder."""

from pathlib import Path

from probekit.diffusion.sampler_settings import SamplerSettings
from probekit.evaluation.generation_runner import VideoGenerator, generate_suite
from probekit.evaluation.manifest import Shard
from probekit.evaluation.suites import Suite
from probekit.evaluation.video_set import VideoRow
from probekit.models.causal_card import is_causal
from probekit.models.loading import model_folder
from probekit.rollout.bidirectional_sampler import BidirectionalSampler
from probekit.rollout.streaming_sampler import StreamingSampler


def sample_suite(
    model: str,
    suite: Suite,
    out: Path,
    settings: SamplerSettings,
    *,
    seed: int = 0,
    shard: Shard | None = None,
    batch_size: int = 8,
) -> list[VideoRow]:
    """Sample a suite with a shipped model or a model folder; finished videos are kept.

    A causal generator streams with the sampler that it was trained for; the settings are a bidirectional model's.

    Raises:
        UserError: for an unknown model folder, or an output folder of another protocol.
    """
    folder = model_folder(model)
    sampler: VideoGenerator = (
        StreamingSampler(folder, suite, seed, negative_prompt=settings.negative_prompt)
        if is_causal(folder)
        else BidirectionalSampler(folder, suite, settings, seed)
    )
    run = sampler.card.checkpoint_hash or "unknown"
    return generate_suite(sampler, suite, out, training_run=run[:12], shard=shard, batch_size=batch_size)
