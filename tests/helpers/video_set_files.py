"""Small video sets on disk, for tests."""

from pathlib import Path

import numpy as np

from probekit.media.video_files import write_video
from probekit.run_folder.manifest import write_manifest
from probekit.run_folder.protocol_card import GenerationCard, PromptsCard, ProtocolCard, write_protocol
from probekit.run_folder.sample_key import SampleKey
from probekit.run_folder.shard import Shard
from probekit.run_folder.video_set import VideoRow, describe_video, video_path

N_FRAMES, SIZE, FPS = 5, 32, 16.0


def write_sample(root: Path, prompt_id: str, sample: int = 0, *, seed: int = 0, n_frames: int = N_FRAMES) -> VideoRow:
    """Write one video of random pixels and return its row."""
    key = SampleKey("sprite-test", prompt_id, sample)
    frames = np.random.default_rng(seed).integers(0, 256, (n_frames, SIZE, SIZE, 3), dtype=np.uint8)
    write_video(root / video_path(key), frames, FPS)
    return describe_video(
        root, video_path(key), key, model="base", training_run="r0", horizon="5s", prompt=f"prompt {prompt_id}"
    )


def write_card(root: Path, n_prompts: int = 2) -> ProtocolCard:
    """Write and return the protocol card of a set."""
    card = ProtocolCard(
        prompts=PromptsCard(file_hash="ab", suite="sprite-test", n_prompts=n_prompts, samples=1),
        generation=GenerationCard(model="base", seed=0, frames=N_FRAMES, fps=FPS, height=SIZE, width=SIZE),
    )
    write_protocol(root, card)
    return card


def write_set(root: Path, prompt_ids: tuple[str, ...] = ("a", "b"), shard: Shard | None = None) -> list[VideoRow]:
    """Write a set of one video a prompt and return its rows."""
    rows = [write_sample(root, prompt_id, seed=number) for number, prompt_id in enumerate(prompt_ids)]
    write_manifest(root, rows, shard)
    write_card(root, len(prompt_ids))
    return rows
