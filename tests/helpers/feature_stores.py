"""Stores of states that are made by hand, so that it is known what they say of the future."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from probekit.probing.feature_store import FeatureStore, ShardContent, StoreCard, claim_store, write_shard
from probekit.probing.probe_settings import TRAINED, UNTRAINED
from probekit.probing.sites import Site
from probekit.run_folder.protocol_card import GenerationCard, PromptsCard
from probekit.run_folder.sample_key import SampleKey

SITE = Site(1, 3)


def write_store(
    folder: Path,
    states: NDArray[np.floating],
    frames: NDArray[np.uint8],
    *,
    untrained: NDArray[np.floating] | None = None,
    latents: NDArray[np.float32] | None = None,
    model: str = "arm",
    samples: int = 1,
    sites: tuple[Site, ...] = (SITE,),
    grid: tuple[int, int] = (1, 1),
    blocks: int = 4,
) -> FeatureStore:
    """Write states (V, N, n, T, W) and frames (V, N, n, H, W, 3) as a store of two shards.

    Args:
        folder: folder of the store.
        states: states of the trained network, at every site.
        frames: one frame of each latent frame.
        untrained: states of the twin; None takes zeros.
        latents: clean videos (V, C, L, 1, 1); None takes zeros.
        model: name of the model.
        samples: videos of each prompt.
        sites: what is captured.
        grid: rows and columns of tokens, T in all; height and width of the frames are multiples.
        blocks: depth of the network.
    """
    videos, chunks, size = states.shape[:3]
    height, width = frames.shape[3:5]
    card = StoreCard(
        prompts=PromptsCard(file_hash="0", suite="s", n_prompts=videos // samples, samples=samples),
        generation=GenerationCard(model=model, checkpoint_hash=model, seed=0),
        passes="own rollout",
        sites=tuple(site.name for site in sites),
        reduction="all",
        sources=(TRAINED, UNTRAINED),
        blocks=blocks,
        chunk_frames=size,
        grid=grid,
        patch=(height // grid[0], width // grid[1]),
    )
    claim_store(folder, card)
    keys = [SampleKey("s", f"p{index // samples:03d}", index % samples) for index in range(videos)]
    twin = np.zeros_like(states) if untrained is None else untrained
    clean = np.zeros((videos, 2, chunks * size, 1, 1), np.float32) if latents is None else latents
    for number, rows in enumerate(np.array_split(np.arange(videos), 2)):
        found = {
            (source, site.name): part[rows].astype(np.float16)
            for source, part in ((TRAINED, states), (UNTRAINED, twin))
            for site in sites
        }
        chosen = tuple(keys[i] for i in rows)
        texts = tuple(f"the text of {key.prompt_id}" for key in chosen)
        write_shard(folder, number, ShardContent(chosen, texts, found, clean[rows], frames[rows]))
    return FeatureStore(folder)


def counting_frames(levels: NDArray[np.number], side: int = 4) -> NDArray[np.uint8]:
    """Grey frames (V, N, 1, side, side, 3) of levels (V, N)."""
    return np.broadcast_to(levels[:, :, None, None, None, None], (*levels.shape, 1, side, side, 3)).astype(np.uint8)
