"""Clips of the sprite world as latents, encoded once."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch

from probekit.choices import Split
from probekit.models.video_codec import VideoCodec, to_unit_range
from probekit.progress import track
from probekit.sprite_world.episodes import episode
from trainer.data.latent_clips import is_finished, shard_path, write_index, write_shard

SHARD_SIZE: Final = 250


def encode_shard(codec: VideoCodec, split: Split, seed: int, number: int, path: Path) -> None:
    """Encode episodes number·250 … number·250+249 of a split."""
    latents, captions = [], []
    for index in range(number * SHARD_SIZE, (number + 1) * SHARD_SIZE):
        clip = episode(split, seed, index)
        latents.append(codec.encode(to_unit_range(torch.from_numpy(clip.frames)[None]))[0])
        captions.append(clip.caption)
    write_shard(path, latents, captions)


def encode_episodes(codec: VideoCodec, folder: Path, split: Split, seed: int, numbers: Sequence[int]) -> None:
    """Encode the shards that are not there yet."""
    for number in track(numbers, f"encoding {split} clips"):
        path = shard_path(folder, split, number)
        if not is_finished(path):
            encode_shard(codec, split, seed, number, path)
    write_index(folder)
