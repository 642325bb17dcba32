"""Jobs that make training data and the parts that models share."""

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
from trainer.data.encode_videos import CLIPS_PER_SHARD, ClipSize, encode_videos, read_captions
from trainer.data.sprite_latents import encode_episodes
from trainer.distributed.world import local_device


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
