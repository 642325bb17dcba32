"""Stage 2a: Euler trajectories of a teacher; sharded and resumable."""

import functools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from probekit.diffusion.few_step import euler_sigmas, few_step_sigmas
from probekit.errors import UserError
from probekit.models.causal_card import is_causal
from probekit.models.causal_wan import CausalWan
from probekit.models.loading import load_text_encoder, model_folder
from probekit.models.text_context import TextContext
from probekit.models.text_encoding import TextEncoder
from probekit.progress import track
from probekit.rollout.chunk_denoisers import EulerDenoiser
from probekit.rollout.noise import SeededNoise
from probekit.rollout.records import PassRecord
from probekit.rollout.streaming_rollout import Rollout, roll_out
from probekit.seeding import generator
from trainer.config import TrajectoryConfig
from trainer.data.latent_clips import LatentBatch, LatentClips
from trainer.data.trajectories import TrajectoryBatch, trajectory_path, write_trajectories
from trainer.distributed.world import local_device
from trainer.stages.causal_parts import check_frames, open_generator, open_score
from trainer.stages.whole_clip_trajectories import stored_steps, whole_clip_shard


class StateRecorder:
    """Keeps each chunk's input at chosen steps.

    Args:
        steps: zero-based Euler steps.
    """

    layers: Sequence[int] = ()

    def __init__(self, steps: Sequence[int]) -> None:
        self._states: dict[int, list[Tensor]] = {step: [] for step in steps}

    def on_pass(self, record: PassRecord) -> None:
        """Keep the input of a chosen step."""
        if record.step in self._states:
            self._states[record.step].append(record.latents)

    def states(self) -> Tensor:
        """(B, K, C, L, h, w)."""
        return torch.stack([torch.cat(chunks, dim=2) for chunks in self._states.values()], dim=1)


@torch.no_grad()
def teacher_trajectories(
    teacher: CausalWan, text: TextEncoder, clips: LatentBatch, config: TrajectoryConfig, names: Sequence[str | int]
) -> TrajectoryBatch:
    """Solve the teacher's flow for every chunk, each after the ground truth of the chunks before it.

    Args:
        teacher: AR model.
        text: encodes the captions and the empty negative prompt.
        clips: ground truth.
        config: of the solver.
        names: seed of the noise.
    """
    size, channels, frames, height, width = clips.latents.shape
    shape = (channels, config.chunk_frames, height, width)
    recorder = StateRecorder(stored_steps(config))
    negative = [config.negative_prompt] * size if config.guidance > 1 else []
    results = Rollout(
        teacher,
        TextContext(text.encode([*clips.captions, *negative])),
        SeededNoise(names, range(size), shape),
        EulerDenoiser(euler_sigmas(config.euler_steps, config.shift)),
        chunks=check_frames(frames, config.chunk_frames),
        guidance=config.guidance,
        observers=[recorder],
        forced=clips.latents.to(teacher.device),
    )
    return TrajectoryBatch(
        endpoint=roll_out(results), states=recorder.states(), clean=clips.latents, captions=clips.captions
    )


def make_trajectories(config: TrajectoryConfig, numbers: Sequence[int] | None = None) -> None:
    """Write the shards that are not there yet.

    Args:
        config: of the run.
        numbers: shards of this worker; None is all.

    Raises:
        UserError: if the teacher cannot be one, or an AR teacher has no clips to be forced on.
    """
    solve = _solver(config)
    sigmas = few_step_sigmas(config.few_steps, config.shift)
    for number in track(range(config.shards) if numbers is None else numbers, "solving the teacher's flow"):
        path = trajectory_path(config.out, number)
        if not path.exists():
            write_trajectories(path, solve(number), sigmas)


def _solver(config: TrajectoryConfig) -> Callable[[int], TrajectoryBatch]:
    """From a shard's number to its trajectories; an AR teacher has a `causal.json`."""
    device = local_device()
    text = load_text_encoder(model_folder(str(config.text_and_codec))).to(device)
    if not is_causal(model_folder(config.teacher)):
        whole = open_score(config.teacher, config.chunk_frames, "a teacher").to(device)
        return functools.partial(whole_clip_shard, whole, text, config)
    teacher = open_generator(config.teacher, ("ar_teacher",), config.chunk_frames, "the teacher of ODE trajectories")
    if config.data is None:
        raise UserError(f"The AR teacher {config.teacher} is forced on clips.", "Set data: to a folder of them.")
    clips = LatentClips(config.data, "train")
    return functools.partial(_forced_shard, teacher.eval().requires_grad_(False).to(device), text, clips, config)


def _forced_shard(
    teacher: CausalWan, text: TextEncoder, clips: LatentClips, config: TrajectoryConfig, number: int
) -> TrajectoryBatch:
    order = generator("trajectory-clips", config.seed).permutation(len(clips))
    rows = np.take(order, range(number * config.clips_per_shard, (number + 1) * config.clips_per_shard), mode="wrap")
    return teacher_trajectories(teacher, text, clips.take(rows), config, ("trajectory", config.seed, number))
