"""Folders of random latent clips and trajectories, made in milliseconds: no codec, no teacher."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from trainer.data.latent_clips import shard_path, write_shard
from trainer.data.trajectories import TrajectoryBatch, trajectory_path, write_trajectories

CHANNELS, FRAMES, SIDE = 16, 6, 4
TRAIN_CLIPS, HELD_OUT_CLIPS, TRAJECTORIES = 5, 3, 5


def write_clips(folder: Path) -> Path:
    """Five clips (16, 6, 4, 4) to train on and three that are held out."""
    for split, count in (("train", TRAIN_CLIPS), ("validation", HELD_OUT_CLIPS)):
        captions = [f"{split} clip {number} of a red circle" for number in range(count)]
        write_shard(shard_path(folder, split, 0), list(_drawn(count, CHANNELS, FRAMES, SIDE, SIDE)), captions)
    return folder


def write_random_trajectories(folder: Path, levels: Sequence[float], clean: bool = True) -> Path:
    """Five trajectories of clips (16, 6, 4, 4) with a state at each level, with or without ground truth."""
    size = (TRAJECTORIES, CHANNELS, FRAMES, SIDE, SIDE)
    states = _drawn(TRAJECTORIES, len(levels), *size[1:])
    captions = [f"trajectory {number} of a blue square" for number in range(TRAJECTORIES)]
    truth = 2 * _drawn(*size) if clean else None
    batch = TrajectoryBatch(states, _drawn(*size) - 1, truth, captions)
    write_trajectories(trajectory_path(folder, 0), batch, levels)
    return folder


def _drawn(*size: int) -> Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(size[0])).half().float()
