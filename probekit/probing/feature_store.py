"""Captured states on disk, between capture and fit: shards of safetensors by sample key, beside a card. Torch-free.

A shard holds the videos of one pass. It is complete or absent, and it is read through a memory map: a site at a time,
a shard at a time. What probes reconstruct is made from the stored latents and frames, so a new target needs no rollout.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from probekit.atomic_files import atomic_path
from probekit.config import StrictModel
from probekit.config_errors import read_json_model
from probekit.errors import UserError
from probekit.probing.probe_settings import TRAINED
from probekit.probing.sites import Site
from probekit.probing.store_cards import claim
from probekit.run_folder.protocol_card import GenerationCard, PromptsCard
from probekit.run_folder.sample_key import SampleKey
from probekit.user_files.json_files import parse_json

CARD_FILE: Final = "store.json"
LATENTS: Final = "latents"
FRAMES: Final = "frames"
AXES: Final = ("sample", "chunk", "frame", "token", "channel")
"""Of every stored state; a frame axis of length n holds the chunk's latent frames."""

_VIDEOS: Final = "videos"
_AGAIN: Final = "Delete it, and run `probekit capture` again."
_log = logging.getLogger("probekit")


class StoreCard(StrictModel):
    """What a store holds and what it was made with.

    Attributes:
        prompts: prompts of the videos.
        generation: model, weights hash and sampling; the passes that the states come from.
        passes: origin of the rollout: the model's own, or a teacher-forced pass over other videos.
        videos: weights hash of the model that made the videos; None where they are the model's own.
        sites: names of the sites.
        reduction: what is kept of a state.
        sources: networks whose states are kept: the trained one, and its untrained twin.
        axes: names of the axes of a state.
        dtype: data type of states.
        blocks: transformer blocks of the model.
        chunk_frames: latent frames of a chunk.
        grid: rows and columns of tokens in a latent frame.
        patch: rows and columns of a frame's pixels under one token.
    """

    prompts: PromptsCard
    generation: GenerationCard
    passes: str
    videos: str | None = None
    sites: tuple[str, ...]
    reduction: str
    sources: tuple[str, ...]
    axes: tuple[str, ...] = AXES
    dtype: str = "float16"
    blocks: int
    chunk_frames: int
    grid: tuple[int, int]
    patch: tuple[int, int]


class ShardContent(NamedTuple):
    """The videos of one shard.

    Attributes:
        keys: their sample keys.
        texts: prompt of each, as the generator was given it.
        states: (B, N, n, T, W) float16 by source and site name.
        latents: (B, C, L, h, w) float32, the clean video.
        frames: (B, N, n, H, W, 3) uint8, the last RGB frame of every latent frame.
    """

    keys: tuple[SampleKey, ...]
    texts: tuple[str, ...]
    states: Mapping[tuple[str, str], NDArray[np.float16]]
    latents: NDArray[np.float32]
    frames: NDArray[np.uint8]


def shard_path(folder: Path, number: int) -> Path:
    """Place of a shard."""
    return folder / f"features-{number:05d}.safetensors"


def claim_store(folder: Path, card: StoreCard) -> None:
    """Write the card of a new store; refuse a folder that was made with something else.

    Raises:
        UserError: naming the first field that differs.
    """
    claim(folder / CARD_FILE, card, read_card, "states")


def read_card(folder: Path) -> StoreCard:
    """The card of a store.

    Raises:
        UserError: the folder holds no store, or its card is damaged.
    """
    if not (folder / CARD_FILE).is_file():
        raise UserError(f"{folder} is no store of states: it has no {CARD_FILE}.", "Run `probekit capture` first.")
    return read_json_model(folder / CARD_FILE, StoreCard, "Capture into another folder.")


def write_shard(folder: Path, number: int, content: ShardContent) -> None:
    """Write a shard, whole or not at all."""
    arrays: dict[str, NDArray[Any]] = {f"{source}/{site}": array for (source, site), array in content.states.items()}
    arrays |= {LATENTS: content.latents, FRAMES: content.frames}
    rows = zip(content.keys, content.texts, strict=True)
    videos = json.dumps([[key.suite, key.prompt_id, key.sample, text] for key, text in rows])
    with atomic_path(shard_path(folder, number)) as temporary:
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, temporary, {_VIDEOS: videos})


def is_finished(folder: Path, number: int, keys: Sequence[SampleKey]) -> bool:
    """Whether a shard is there and holds these videos; a damaged one is named and counts as absent."""
    path = shard_path(folder, number)
    if not path.is_file():
        return False
    try:
        return [key for key, _ in _videos(path)] == list(keys)
    except UserError as error:
        _log.warning("%s It is captured again.", error.problem)
        return False


def _videos(path: Path) -> list[tuple[SampleKey, str]]:
    """Keys and prompts of a shard's videos."""
    try:
        with safe_open(path, "numpy") as shard:
            listed = parse_json((shard.metadata() or {})[_VIDEOS])
        return [(SampleKey(suite, prompt, sample), str(text)) for suite, prompt, sample, text in listed]
    except (OSError, SafetensorError, ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"The shard {path} is damaged: {error}.", "Delete it, and run `probekit capture` again."
        ) from error


class FeatureStore:
    """A finished store, opened for reading.

    Args:
        folder: folder that `probekit capture` wrote.

    Attributes:
        folder: place of the store.
        card: what the store holds.
        keys: sample keys of all videos, in the order of every array.
        texts: prompt of every video.

    Raises:
        UserError: the folder is no store, has no shard, or a shard is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.card = read_card(folder)
        self._shards = sorted(folder.glob("features-?????.safetensors"))
        if not self._shards:
            raise UserError(f"{folder} holds no states yet.", "Run `probekit capture` again; it goes on.")
        videos = [_videos(path) for path in self._shards]
        self._counts = list(map(len, videos))
        self.keys = tuple(key for shard in videos for key, _ in shard)
        self.texts = tuple(text for shard in videos for _, text in shard)

    @property
    def sites(self) -> tuple[Site, ...]:
        """Captured sites."""
        return tuple(map(Site.parse, self.card.sites))

    def states(self, site: Site, source: str = TRAINED, rows: NDArray[np.int64] | None = None) -> NDArray[np.float16]:
        """States (V, N, n, T, W) of a site; of some videos where `rows` has their indices in `keys`.

        Raises:
            UserError: the store has no such site or source.
        """
        if site.name not in self.card.sites or source not in self.card.sources:
            raise UserError(
                f"{self.folder} holds no {source} states of {site.name}.",
                f"Choose of {', '.join(self.card.sites)} and {', '.join(self.card.sources)}.",
            )
        return self._read(f"{source}/{site.name}", rows)

    def latents(self, rows: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
        """Clean latents (V, C, L, h, w)."""
        return self._read(LATENTS, rows)

    def frames(self, rows: NDArray[np.int64] | None = None) -> NDArray[np.uint8]:
        """Last RGB frame of every latent frame, by chunk (V, N, n, H, W, 3)."""
        return self._read(FRAMES, rows)

    def _read(self, name: str, rows: NDArray[np.int64] | None) -> NDArray[Any]:
        wanted = np.arange(len(self.keys)) if rows is None else np.asarray(rows)
        parts: list[NDArray[Any]] = []
        places: list[NDArray[np.int64]] = []
        first = 0
        for path, count in zip(self._shards, self._counts, strict=True):
            inside = np.flatnonzero((wanted >= first) & (wanted < first + count))
            if len(inside):
                parts.append(_array(path, name)[wanted[inside] - first])
                places.append(inside)
            first += count
        found = np.concatenate(parts)
        order: NDArray[np.int64] = np.argsort(np.concatenate(places))
        return found[order]


def _array(path: Path, name: str) -> NDArray[Any]:
    try:
        with safe_open(path, "numpy") as shard:
            array: NDArray[Any] = shard.get_tensor(name)
    except (OSError, SafetensorError) as error:
        raise UserError(
            f"The shard {path} is damaged: {error}.", "Delete it, and run `probekit capture` again."
        ) from error
    return array
