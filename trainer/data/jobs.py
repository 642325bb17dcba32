"""Jobs that make the sprite world's training data and the parts that its models share; no video file is opened."""

from pathlib import Path

import numpy as np
import torch

from probekit.atomic_files import atomic_folder
from probekit.choices import Split
from probekit.models.linear_codec import LinearVideoCodec
from probekit.models.loading import load_codec
from probekit.models.model_folder import model_folder
from probekit.models.sprite_text import fit_text_encoder, save_text_side
from probekit.models.video_codec import to_unit_range
from probekit.progress import track
from probekit.sprite_world.episodes import episode
from trainer.data.sprite_latents import encode_episodes


def encode_sprite_clips(out: Path, shards: int, split: Split, model: str) -> None:
    """Encode `shards` shards of a split with the codec of a model folder.

    Raises:
        UserError: for an unknown model.
    """
    encode_episodes(load_codec(model_folder(model)), out, split, seed=0, numbers=range(shards))


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
    codec = LinearVideoCodec.fit(to_unit_range(torch.from_numpy(np.stack(clips))))
    with atomic_folder(out / "vae") as unfinished:
        codec.save_pretrained(unfinished)
    encoder, accuracy = fit_text_encoder(steps=text_steps)
    save_text_side(encoder.to(torch.bfloat16), out)
    return accuracy
