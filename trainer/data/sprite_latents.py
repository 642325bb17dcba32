"""Clips of the sprite world as latents: encoded once into safetensors shards, read without copying."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from probekit.atomic_files import atomic_path
from probekit.errors import UserError
from probekit.models.video_codec import VideoCodec, to_unit_range
from probekit.progress import track
from probekit.sprite_world.episodes import Split, episode

LOGGER = logging.getLogger("trainer")
SHARD_SIZE: Final = 250


class LatentBatch(NamedTuple):
    """Latents (B, C, L, h, w) float32 and their captions."""

    latents: Tensor
    captions: list[str]


def shard_path(folder: Path, split: Split, number: int) -> Path:
    """File of one shard."""
    return folder / f"{split}-{number:05d}.safetensors"


def encode_shard(codec: VideoCodec, split: Split, seed: int, number: int, path: Path) -> None:
    """Encode episodes number·250 … number·250+249 of a split; latents are stored in half precision."""
    latents, captions = [], []
    for index in range(number * SHARD_SIZE, (number + 1) * SHARD_SIZE):
        clip = episode(split, seed, index)
        latents.append(codec.encode(to_unit_range(torch.from_numpy(clip.frames)[None]))[0].half())
        captions.append(clip.caption)
    with atomic_path(path) as temporary:
        save_file({"latents": torch.stack(latents)}, temporary, metadata={"captions": json.dumps(captions)})


def encode_episodes(codec: VideoCodec, folder: Path, split: Split, seed: int, numbers: Sequence[int]) -> None:
    """Encode the shards that are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in track(numbers, f"encoding {split} clips"):
        path = shard_path(folder, split, number)
        if not path.exists():
            encode_shard(codec, split, seed, number, path)


class SpriteLatents:
    """A folder of encoded clips, held in memory as float16 (43 kB a clip).

    Args:
        folder: where `encode_episodes` wrote.
        split: which shards to read.

    Raises:
        UserError: if the folder has no shard of the split.
    """

    def __init__(self, folder: Path, split: Split) -> None:
        paths = sorted(folder.glob(f"{split}-*.safetensors"))
        if not paths:
            raise UserError(
                f"No encoded {split} clips in {folder}.",
                f"Run `trainer encode-sprites --out {folder} --split {split}`.",
            )
        shards, self.captions = [], []
        for path in paths:
            with safe_open(path, "pt") as shard:
                shards.append(shard.get_tensor("latents"))
                self.captions.extend(json.loads(shard.metadata()["captions"]))
        self.latents = torch.cat(shards)

    def __len__(self) -> int:
        return len(self.captions)

    def batch(self, size: int, latent_frames: int, rng: np.random.Generator) -> LatentBatch:
        """Draw clips with replacement, cut to their first `latent_frames` latent frames."""
        return self.take(rng.integers(len(self), size=size), latent_frames)

    def take(self, rows: NDArray[np.int64], latent_frames: int | None = None) -> LatentBatch:
        """The clips of the given rows in float32, cut to their first `latent_frames` latent frames if given."""
        latents = self.latents[torch.from_numpy(rows), :, :latent_frames].float()
        return LatentBatch(latents, [self.captions[row] for row in rows])
