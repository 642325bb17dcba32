"""From rollouts, or from videos that are given, to a store of states; resumable, a pass of videos at a time."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probekit.diffusion.few_step import euler_sigmas, few_step_sigmas
from probekit.errors import UserError
from probekit.models.causal_card import CausalCard
from probekit.models.causal_wan import CausalWan
from probekit.models.video_codec import to_uint8_frames
from probekit.probing.feature_store import (
    ShardContent,
    StoreCard,
    claim_store,
    is_finished,
    write_shard,
)
from probekit.probing.probe_settings import TRAINED, UNTRAINED
from probekit.probing.recording import Recorder, recording
from probekit.probing.reductions import Reduction
from probekit.probing.sites import Site, check_sites
from probekit.probing.teacher_forcing import InvertingDenoiser, Replay, TeacherForcedDenoiser
from probekit.progress import track
from probekit.rollout.chunk_denoisers import ChunkDenoiser
from probekit.rollout.fixed_batch import blocks, filled
from probekit.rollout.generation_runner import Request
from probekit.rollout.noise import KeyedNoise
from probekit.rollout.streaming_rollout import Rollout, roll_out
from probekit.rollout.streaming_sampler import StreamingSampler
from probekit.run_folder.protocol_card import PromptsCard
from probekit.run_folder.shard import Shard
from probekit.run_folder.writers import writing
from probekit.seeding import counter_seed

OWN_ROLLOUT = "own rollout"
TEACHER_FORCED = "teacher-forced"

GivenVideos = Callable[[Sequence[Request]], Tensor]
"""Clean latents (B, C, L, h, w) of the requested videos."""


class CaptureSettings(NamedTuple):
    """What is captured.

    Attributes:
        sites: places whose outputs are kept.
        reduction: what is kept of each.
        untrained: whether a network with random weights sees the same passes, as a control.
        inversion_steps: Euler steps in which given videos are inverted by the flow's ODE; 0 noises them instead.
    """

    sites: tuple[Site, ...]
    reduction: Reduction = Reduction()
    untrained: bool = True
    inversion_steps: int = 0

    def check(self, *, given: bool) -> None:
        """Refuse to invert a generator's own rollouts.

        Raises:
            UserError: an inversion is asked for, and no videos are given.
        """
        if self.inversion_steps and not given:
            raise UserError("Own rollouts have nothing to invert.", "Give videos, or leave the inversion out.")


def denoising_sigmas(card: CausalCard) -> list[float]:
    """Noise levels of a generator's own steps, highest first."""
    if card.few_steps is not None:
        return list(few_step_sigmas(card.few_steps, card.shift))
    return list(euler_sigmas(card.euler_steps or 1, card.shift))[:-1]


def untrained_twin(model: CausalWan, seed: int = 0) -> CausalWan:
    """A network of the same architecture with seeded random weights, the control of every probe."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(counter_seed("untrained-control", seed) % 2**63)
        twin: CausalWan = CausalWan(**dict(model.config)).eval().requires_grad_(False)
    placed: CausalWan = twin.to(model.device)
    return placed


def frames_of_latents(sampler: StreamingSampler, video: Tensor) -> NDArray[np.uint8]:
    """The last RGB frame of every latent frame, by chunk, (B, N, n, H, W, 3) uint8, of latents (B, C, L, h, w)."""
    frames: NDArray[np.uint8] = to_uint8_frames(sampler.parts.codec.decode(video)).cpu().numpy()
    ends = [sampler.geometry.rgb_frames(frame + 1) - 1 for frame in range(video.shape[2])]
    chosen = frames[:, ends]
    return chosen.reshape(len(chosen), sampler.chunks, -1, *chosen.shape[2:])


def store_card(
    sampler: StreamingSampler, prompts: PromptsCard, settings: CaptureSettings, videos: str | None
) -> StoreCard:
    """The card of a store that this capture writes."""
    geometry = sampler.geometry
    _, rows, columns = geometry.patch
    return StoreCard(
        prompts=prompts,
        generation=sampler.card,
        passes=_passes_text(settings, given=videos is not None),
        videos=videos,
        sites=tuple(site.name for site in settings.sites),
        reduction=settings.reduction.text,
        sources=(TRAINED, UNTRAINED) if settings.untrained else (TRAINED,),
        blocks=len(sampler.model.blocks),
        chunk_frames=sampler.causal.chunk_frames,
        grid=(geometry.token_rows, geometry.token_columns),
        patch=(geometry.spatial_stride * rows, geometry.spatial_stride * columns),
    )


def _passes_text(settings: CaptureSettings, *, given: bool) -> str:
    if settings.inversion_steps:
        return f"inverted in {settings.inversion_steps} Euler steps"
    return TEACHER_FORCED if given else OWN_ROLLOUT


@torch.no_grad()
def capture(
    sampler: StreamingSampler,
    requests: Sequence[Request],
    out: Path,
    settings: CaptureSettings,
    prompts: PromptsCard,
    *,
    shard: Shard | None = None,
    given: GivenVideos | None = None,
    videos: str | None = None,
) -> Path:
    """Capture the states of every requested video that the store does not have yet.

    Memory holds one pass of videos at a time. Passes have `sampler.batch_size` rows, as when the videos are sampled, so
    the states are those of the sampled videos, bit for bit, whatever was interrupted.

    Args:
        sampler: causal generator.
        requests: videos, each with the noise of its own key.
        out: folder of the store.
        settings: what is captured.
        prompts: prompts card of the suite.
        shard: this worker's share of the passes.
        given: clean latents that the generator reads in place of its own rollouts (teacher forcing).
        videos: name of what made them, for the card.

    Returns:
        The folder.

    Raises:
        UserError: a site does not exist, there is nothing to invert, the folder holds other states, or another process
            writes this share.
    """
    settings.check(given=given is not None)
    names = (name for name, _ in sampler.model.named_modules())
    check_sites(settings.sites, names, len(denoising_sigmas(sampler.causal)))
    card = store_card(sampler, prompts, settings, videos)
    with writing(out, "capture", shard):
        claim_store(out, card)
        planned = list(enumerate(blocks(requests, sampler.batch_size)))
        own = planned if shard is None else planned[shard.index :: shard.count]
        missing = [(n, block) for n, block in own if not is_finished(out, n, [request.key for request in block])]
        twin = untrained_twin(sampler.model) if settings.untrained and missing else None
        for number, block in track(missing, f"capturing {sampler.parts.name}"):
            write_shard(out, number, _captured(sampler, twin, block, settings, given))
    return out


def _captured(
    sampler: StreamingSampler,
    twin: CausalWan | None,
    block: Sequence[Request],
    settings: CaptureSettings,
    given: GivenVideos | None,
) -> ShardContent:
    chosen = filled(block, sampler.batch_size)
    denoiser = None if given is None else _showing(sampler, given(chosen), settings)
    video, own = _passes(sampler, sampler.model, chosen, settings, denoiser)
    kept = len(block)
    states = {(TRAINED, site.name): part[:kept].numpy() for site, part in own.states().items()}
    if twin is not None:
        replay = Replay(own.inputs, video, sampler.causal.chunk_frames)
        _, other = _passes(sampler, twin, chosen, settings, replay)
        states |= {(UNTRAINED, site.name): part[:kept].numpy() for site, part in other.states().items()}
    keys, texts = tuple(request.key for request in block), tuple(request.prompt for request in block)
    return ShardContent(keys, texts, states, video[:kept].float().numpy(), frames_of_latents(sampler, video)[:kept])


def _showing(sampler: StreamingSampler, videos: Tensor, settings: CaptureSettings) -> ChunkDenoiser:
    """What shows the generator given videos: noised, or on the way of its own ODE."""
    card, sigmas = sampler.causal, denoising_sigmas(sampler.causal)
    if not settings.inversion_steps:
        return TeacherForcedDenoiser(videos, card.chunk_frames, sigmas)
    grid = euler_sigmas(settings.inversion_steps, card.shift)
    return InvertingDenoiser(videos.float(), card.chunk_frames, sigmas, grid)


def _passes(
    sampler: StreamingSampler,
    model: CausalWan,
    requests: Sequence[Request],
    settings: CaptureSettings,
    denoiser: ChunkDenoiser | None,
) -> tuple[Tensor, Recorder]:
    """Run a model over the requests, by its own sampler or another; the clean video, and what was recorded."""
    steps = len(denoising_sigmas(sampler.causal))
    size = sampler.causal.chunk_frames
    with recording(model, settings.sites, steps=steps, chunk_frames=size, reduction=settings.reduction) as recorder:
        rollout = (
            sampler.start(requests, observers=[recorder])
            if denoiser is None
            else _shown(sampler, model, requests, denoiser, recorder)
        )
        video = roll_out(rollout)
        rollout.commit()  # the last chunk's clean pass, which a video does not need
    return video.cpu(), recorder


def _shown(
    sampler: StreamingSampler,
    model: CausalWan,
    requests: Sequence[Request],
    denoiser: ChunkDenoiser,
    recorder: Recorder,
) -> Rollout:
    """A rollout whose denoiser decides what the model is shown."""
    return Rollout(
        model,
        sampler.text([request.prompt for request in requests]),
        KeyedNoise([request.key for request in requests], sampler.chunk_shape(), sampler.card.seed or 0),
        denoiser,
        chunks=sampler.chunks,
        policy=sampler.policy,
        guidance=sampler.causal.guidance,
        observers=[recorder],
    )
