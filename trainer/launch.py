"""From a recipe to a running stage."""

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import torch

from probekit.errors import UserError
from probekit.models.linear_codec import LinearVideoCodec
from probekit.models.loading import load_codec, model_folder
from probekit.models.sprite_text import fit_text_encoder, save_text_side
from probekit.models.video_codec import to_unit_range
from probekit.progress import track
from probekit.run_folder.shard import Shard
from probekit.sprite_world.episodes import Split, episode
from trainer.causal_configs import AutoregressiveConfig, CausalOdeConfig, ConsistencyConfig, TrajectoryConfig
from trainer.checkpoint import checkpoint_paths
from trainer.config import BidirectionalConfig, DmdConfig, StageConfig, load_recipe
from trainer.data.encode_videos import CLIPS_PER_SHARD, ClipSize, encode_videos, read_captions
from trainer.data.sprite_latents import encode_episodes
from trainer.distributed.world import SINGLE, World, joined_world, local_device
from trainer.loop import Ending, Stage, run
from trainer.plugins import auxiliary_of
from trainer.stages.ar_finetune import AutoregressiveStage
from trainer.stages.asymmetric_dmd import AsymmetricDmdStage
from trainer.stages.bidirectional import BidirectionalStage
from trainer.stages.causal_ode import CausalOdeStage
from trainer.stages.consistency import ConsistencyStage
from trainer.stages.ode_trajectories import make_trajectories
from trainer.tracking import open_service


def train_from_recipe(
    recipe: Path,
    out: Path | None,
    overrides: Sequence[str],
    allow_change: bool = False,
    resume: bool = True,
    track_with: str | None = None,
) -> Ending:
    """Read a recipe, build its stage and train, on all processes that torchrun started.

    Raises:
        UserError: with `resume` off, if the run folder holds checkpoints.
    """
    config = load_recipe(recipe, overrides)
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    if isinstance(config, TrajectoryConfig):
        with joined_world() as world:
            placed = config if out is None else config.model_copy(update={"out": out})
            make_trajectories(placed, range(config.shards)[world.rank :: world.size], world)
        return Ending.COMPLETE
    folder = out or Path("runs") / config.name
    if not resume and checkpoint_paths(folder / "checkpoints"):
        raise UserError(f"{folder} holds a run already.", "Choose another --out, delete the folder, or use --resume.")
    service = open_service(track_with) if track_with else None
    with joined_world() as world:
        stage = build_stage(config, world)
        return run(stage, config, folder, allow_change=allow_change, world=world, service=service)


def build_stage(config: StageConfig, world: World = SINGLE) -> Stage:
    """The stage that a configuration describes."""
    match config:
        case BidirectionalConfig():
            return BidirectionalStage(config, world)
        case AutoregressiveConfig():
            return AutoregressiveStage(config, world)
        case CausalOdeConfig():
            return CausalOdeStage(config, auxiliary_of(config), world)
        case ConsistencyConfig():
            return ConsistencyStage(config, world)
        case DmdConfig():
            return AsymmetricDmdStage(config, auxiliary_of(config), world)


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


def encode_captioned_videos(
    videos: Path,
    captions: Path,
    model: str,
    out: Path,
    size: ClipSize,
    split: str,
    shard: Shard | None,
    skip_corrupt: bool,
) -> list[str]:
    """Encode a folder of videos with the codec of a model folder; returns what was left out.

    Raises:
        UserError: if captions and videos do not fit together, or a video cannot be read.
    """
    pairs = read_captions(captions, videos)
    count = -(-len(pairs) // CLIPS_PER_SHARD)
    numbers = range(count) if shard is None else range(count)[shard.index :: shard.count]
    device = local_device()
    codec = load_codec(model_folder(model)).to(device)
    return encode_videos(
        pairs, codec, out, size, split=split, numbers=numbers, skip_corrupt=skip_corrupt, device=device
    )


def fit_shared_parts(out: Path, episodes: int, text_steps: int) -> float:
    """Fit the sprite world's codec and text encoder and write them as `vae/`, `text_encoder/` and `tokenizer/`.

    Args:
        out: model folder.
        episodes: training episodes that the codec's principal components are taken from.
        text_steps: optimizer steps of the text encoder; it is stored in bf16.

    Returns:
        Share of the facts that linear heads read from the text encoder's states in the last batch.
    """
    clips = [episode("train", 0, index).frames for index in track(range(episodes), "rendering clips")]
    LinearVideoCodec.fit(to_unit_range(torch.from_numpy(np.stack(clips)))).save_pretrained(out / "vae")
    encoder, accuracy = fit_text_encoder(steps=text_steps)
    save_text_side(encoder.to(torch.bfloat16), out)
    return accuracy
