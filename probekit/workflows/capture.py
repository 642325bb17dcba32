"""Capturing the states of a streaming generator on a suite into a store, and what that will take."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from probekit.errors import UserError
from probekit.media.video_files import read_video
from probekit.models.causal_card import read_causal_card
from probekit.models.model_folder import model_folder
from probekit.models.model_geometry import geometry_of
from probekit.models.transformer_folder import transformer_config
from probekit.models.video_codec import to_unit_range
from probekit.probing.capturing import CaptureSettings, GivenVideos, capture, denoising_sigmas
from probekit.probing.reductions import Reduction
from probekit.probing.sites import DEFAULT_DEPTHS, Site, sites_at
from probekit.rollout.generation_runner import Request
from probekit.rollout.sampling_config import SamplingConfig
from probekit.rollout.streaming_sampler import StreamingSampler
from probekit.run_folder.manifest import load_video_set
from probekit.run_folder.shard import Shard
from probekit.suites.suite import Suite
from probekit.workflows.sampling_plan import plan_lines

ALL_BLOCKS: Final = "all"
_MIB = 2**20


def capture_settings(
    model: str,
    sites: Sequence[str] | None = None,
    depths: Sequence[float] = DEFAULT_DEPTHS,
    reduction: str = "all",
    untrained: bool = True,
    inversion_steps: int = 0,
) -> CaptureSettings:
    """What is captured of a model; by default the blocks at three depths in the last denoising pass.

    Args:
        model: shipped model, model folder or Hub id of a causal generator.
        sites: names of sites, or `ALL_BLOCKS` alone: every block in the last denoising pass.
        depths: relative depths of the blocks, where no sites are named.
        reduction: what is kept of a state, see `Reduction.parse`.
        untrained: whether an untrained network makes the same passes.
        inversion_steps: steps in which given videos are inverted; 0 noises them.

    Raises:
        UserError: the model is no causal generator, or a site or reduction is not written as it should be.
    """
    every = list(sites or ()) == [ALL_BLOCKS]
    if sites and not every:
        return CaptureSettings(tuple(map(Site.parse, sites)), Reduction.parse(reduction), untrained, inversion_steps)
    folder = model_folder(model)
    last = len(denoising_sigmas(read_causal_card(folder))) - 1
    blocks = int(transformer_config(folder)["num_layers"])
    chosen = tuple(Site(block, last) for block in range(blocks)) if every else sites_at(depths, blocks, [last])
    return CaptureSettings(chosen, Reduction.parse(reduction), untrained, inversion_steps)


def capture_states(
    model: str,
    suite: Suite,
    out: Path,
    settings: CaptureSettings,
    *,
    config: SamplingConfig | None = None,
    shard: Shard | None = None,
    videos: Path | None = None,
) -> Path:
    """Capture the states of a generator on a suite; what the store has already is kept.

    Args:
        model: shipped model, model folder or Hub id of a causal generator.
        suite: prompts and samples.
        out: folder of the store.
        settings: what is captured.
        config: how the rollouts are sampled, and where the networks run.
        shard: this worker's share.
        videos: run folder whose videos the generator reads in place of its own rollouts (teacher forcing), so that two
            models see the same videos.

    Raises:
        UserError: as `capturing.capture`, or a video of the suite is missing in `videos`.
    """
    settings.check(given=videos is not None)
    sampler = StreamingSampler(model_folder(model), suite, config)
    texts = suite.generation_texts()
    requests = [Request(key, texts[key.prompt_id]) for key in suite.keys()]
    given, origin = (None, None) if videos is None else _given(sampler, videos, requests)
    return capture(sampler, requests, out, settings, suite.card(), shard=shard, given=given, videos=origin)


def _given(sampler: StreamingSampler, folder: Path, requests: Sequence[Request]) -> tuple[GivenVideos, str]:
    """Latents of the videos of a run folder, and the name of what made them."""
    found = load_video_set(folder)
    rows = {row.key(): row for row in found.rows}
    absent = [request.key for request in requests if request.key not in rows]
    if absent:
        raise UserError(
            f"{folder} lacks {len(absent)} of {len(requests)} videos, the first {absent[0].filename()}.",
            "Sample the same suite, prompts and samples into it.",
        )

    def latents(block: Sequence[Request]) -> Tensor:
        clips = [read_video(folder / rows[request.key].path, expect_frames=sampler.card.frames) for request in block]
        frames = torch.stack([torch.from_numpy(clip.frames) for clip in clips])
        encoded: Tensor = sampler.parts.codec.encode(to_unit_range(frames).to(sampler.model.device))
        return encoded

    made_by = found.protocol.generation
    return latents, f"{made_by.model or folder.name} {(made_by.checkpoint_hash or 'unknown')[:12]}"


def capture_plan(
    model: str, suite: Suite, settings: CaptureSettings, config: SamplingConfig | None = None
) -> Iterator[str]:
    """Bytes and time of a capture in lines for a reader; nothing is loaded.

    Raises:
        UserError: for whatever sampling would refuse.
    """
    folder = model_folder(model)
    yield from plan_lines(folder, suite, config or SamplingConfig())
    sizes, geometry = transformer_config(folder), geometry_of(folder, suite.height, suite.width)
    latent_frames = geometry.latent_frames(suite.frames)
    width = int(sizes["num_attention_heads"]) * int(sizes["attention_head_dim"])
    tokens, kept = settings.reduction.shape(geometry.tokens_per_frame, width)
    sources = 2 if settings.untrained else 1
    states = len(settings.sites) * sources * latent_frames * tokens * kept * 2
    latents = latent_frames * geometry.latent_channels * geometry.latent_height * geometry.latent_width * 4
    frames = latent_frames * suite.height * suite.width * 3
    each, videos = states + latents + frames, len(suite.keys())
    yield f"sites        {', '.join(site.name for site in settings.sites)}, {settings.reduction.text}"
    yield (
        f"store        {each / _MIB:.3f} MiB per video, {videos * each / _MIB:,.0f} MiB in all: "
        f"states {states / each:.0%}, latents {latents / each:.0%}, frames {frames / each:.0%}"
    )
    if settings.untrained:
        yield "control      the untrained network makes each pass once more: twice the time above"
