"""From a recipe to a running stage."""

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import torch

from probekit.config import load_config
from probekit.errors import UserError
from probekit.models.loading import load_codec, model_folder
from probekit.sprite_world.episodes import Split
from trainer.config import TrainingConfig
from trainer.data.sprite_latents import encode_episodes
from trainer.loop import run
from trainer.stages.bidirectional import BidirectionalStage


def train_from_recipe(recipe: Path, out: Path | None, overrides: Sequence[str], allow_change: bool = False) -> bool:
    """Read a recipe, build its stage and train; returns whether the run is complete."""
    config = load_config(recipe, TrainingConfig, overrides)
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    return run(BidirectionalStage(config), config, out or Path("runs") / config.name, allow_change=allow_change)


def encode_sprite_clips(out: Path, shards: int, split: str, model: str) -> None:
    """Encode `shards` shards of a split with the codec of a model folder.

    Raises:
        UserError: for an unknown split or model.
    """
    for known in get_args(Split):
        if known == split:
            encode_episodes(load_codec(model_folder(model)), out, known, seed=0, numbers=range(shards))
            return
    raise UserError(f"There is no split {split!r}.", f"Choose one of {', '.join(get_args(Split))}.")
