"""Stage 2a: Euler trajectories of a teacher; sharded and resumable."""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from probekit.diffusion.few_step import euler_sigmas, few_step_sigmas
from probekit.errors import UserError
from probekit.models.causal_card import is_causal
from probekit.models.causal_wan import CausalWan
from probekit.models.loading import PromptEncoder
from probekit.models.model_folder import model_folder
from probekit.models.text_context import TextContext
from probekit.progress import track
from probekit.rollout.chunk_denoisers import EulerDenoiser
from probekit.rollout.fixed_batch import fixed_batch_size, row_blocks
from probekit.rollout.noise import SeededNoise
from probekit.rollout.records import PassRecord
from probekit.rollout.streaming_rollout import Rollout, roll_out
from probekit.seeding import generator
from trainer.config.causal import TrajectoryConfig
from trainer.data.latent_clips import LatentBatch, LatentClips
from trainer.data.training_text import TrainingText
from trainer.data.trajectories import TrajectoryBatch, is_finished, joined, trajectory_path, write_trajectories
from trainer.distributed.world import World, local_device
from trainer.stages.opening import check_frames, open_generator, open_score
from trainer.stages.random_rows import token_count
from trainer.stages.whole_clip_trajectories import prompts_of, stored_steps, whole_clip_shard


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
    teacher: CausalWan,
    text: PromptEncoder,
    clips: LatentBatch,
    config: TrajectoryConfig,
    names: Sequence[str | int],
    rows: range | None = None,
) -> TrajectoryBatch:
    """Solve the teacher's flow for every chunk, each after the ground truth of the chunks before it.

    Args:
        teacher: AR model.
        text: encodes the captions and the negative prompt.
        clips: ground truth.
        config: configuration of the solver.
        names: seed of the noise.
        rows: numbers of the clips in their shard, which the noise depends on; None is from 0 on.
    """
    size, channels, frames, height, width = clips.latents.shape
    shape = (channels, config.chunk_frames, height, width)
    recorder = StateRecorder(stored_steps(config))
    negative = [config.negative_prompt] * size if config.guidance > 1 else []
    results = Rollout(
        teacher,
        TextContext(text.encode([*clips.captions, *negative])),
        SeededNoise(names, range(size) if rows is None else rows, shape),
        EulerDenoiser(euler_sigmas(config.euler_steps, config.shift)),
        chunks=check_frames(frames, config.chunk_frames),
        guidance=config.guidance,
        observers=[recorder],
        forced=clips.latents.to(teacher.device),
    )
    return TrajectoryBatch(
        endpoint=roll_out(results), states=recorder.states(), clean=clips.latents, captions=clips.captions
    )


def make_trajectories(
    config: TrajectoryConfig, numbers: Sequence[int] | None = None, world: World | None = None
) -> None:
    """Write the shards that are not there yet.

    Args:
        config: configuration of the run.
        numbers: shards of this worker; None is all.
        world: processes of the run; None is one process on this machine's device.

    Raises:
        UserError: if the teacher cannot be one, or an AR teacher has no clips to be forced on.
    """
    world = World(device=local_device()) if world is None else world
    solve, size = _solver(config, world)
    sigmas = few_step_sigmas(config.few_steps, config.shift)
    for number in track(range(config.shards) if numbers is None else numbers, "solving the teacher's flow"):
        path = trajectory_path(config.out, number)
        if not is_finished(path, sigmas):
            with torch.autocast(world.device.type, torch.bfloat16, enabled=config.precision == "bf16"):
                parts = [solve(number, rows) for rows in row_blocks(config.clips_per_shard, size)]
            write_trajectories(path, joined(parts), sigmas)


Solve = Callable[[int, range], TrajectoryBatch]
"""From the number of a shard and rows of it to their trajectories."""


class Solver(NamedTuple):
    """How trajectories are made.

    Attributes:
        solve: solver of some rows of a shard.
        size: rows that are solved together.
    """

    solve: Solve
    size: int


def _solver(config: TrajectoryConfig, world: World) -> Solver:
    """An AR teacher has a `causal.json`."""
    text = TrainingText(config.text_and_codec, world, config.precompute_text)
    if not is_causal(model_folder(config.teacher)):
        whole = open_score(config.teacher, config.chunk_frames, "a teacher").to(world.device)
        text.prepare([config.negative_prompt, *prompts_of(config)])
        size = fixed_batch_size(token_count(whole, (1, 1, config.latent_frames, *config.latent_size)))
        return Solver(functools.partial(whole_clip_shard, whole, text, config), size)
    teacher = open_generator(config.teacher, ("ar_teacher",), config.chunk_frames, "the teacher of ODE trajectories")
    if config.data is None:
        raise UserError(f"The AR teacher {config.teacher} is forced on clips.", "Set data: to a folder of them.")
    clips = LatentClips(config.data, "train")
    text.prepare([config.negative_prompt, *clips.captions])
    teacher = teacher.eval().requires_grad_(False).to(world.device)
    size = fixed_batch_size(token_count(teacher, (1, 1, config.chunk_frames, *clips.shape[-2:])))
    return Solver(functools.partial(_forced_shard, teacher, text, clips, config), size)


def _forced_shard(
    teacher: CausalWan, text: PromptEncoder, clips: LatentClips, config: TrajectoryConfig, number: int, rows: range
) -> TrajectoryBatch:
    order = generator("trajectory-clips", config.seed).permutation(len(clips))
    first = number * config.clips_per_shard
    chosen = np.take(order, range(first + rows.start, first + rows.stop), mode="wrap")
    return teacher_trajectories(teacher, text, clips.take(chosen), config, ("trajectory", config.seed, number), rows)
