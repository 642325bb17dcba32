"""Clips as latents: safetensors shards with their captions, and an index that says what belongs to a folder."""

import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from probekit.atomic_files import atomic_path, write_json
from probekit.errors import UserError
from probekit.user_files.inside import inside
from probekit.user_files.json_files import parse_json, read_json_object

LOGGER = logging.getLogger("trainer")

INDEX: Final = "index.json"


class LatentBatch(NamedTuple):
    """Latents (B, C, L, h, w) float32 and their captions."""

    latents: Tensor
    captions: list[str]


def shard_path(folder: Path, split: str, number: int) -> Path:
    """File of one shard."""
    return folder / f"{split}-{number:05d}.safetensors"


def write_shard(path: Path, latents: Sequence[Tensor], captions: Sequence[str], sources: Sequence[str] = ()) -> None:
    """Write clips (C, L, h, w), in half precision, with their captions and the files that they came from."""
    about = {"captions": json.dumps(list(captions)), "sources": json.dumps(list(sources))}
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        save_file({"latents": torch.stack([clip.half() for clip in latents])}, temporary, metadata=about)


def write_index(folder: Path) -> None:
    """Write what the folder's complete shards hold; a reader then notices a shard that is lost or cut."""
    shards = {}
    for path in sorted(folder.glob("*-?????.safetensors")):
        shape = _open_shard(path)[1].get_shape()
        shards[path.name] = {"clips": shape[0], "shape": shape[1:], "bytes": path.stat().st_size}
    write_json(folder / INDEX, shards)


def is_finished(path: Path) -> bool:
    """Whether a shard is there; a damaged one is named in a warning and made again."""
    if not path.exists():
        return False
    try:
        _open_shard(path)
    except UserError as error:
        LOGGER.warning("made again: %s", error.problem)
        return False
    return True


class LatentClips:
    """A folder of clips. Shards are memory-mapped: a batch reads its own rows.

    Args:
        folder: folder of the shards.
        split: which of them; `train` or `validation`.
        skip_corrupt: leave out shards that cannot be read, with a warning that names them.

    Raises:
        UserError: if the folder has no shard of the split, one that its index lists is missing or cannot be read, or
            clips differ in shape.
    """

    def __init__(self, folder: Path, split: str, skip_corrupt: bool = False) -> None:
        self.captions: list[str] = []
        self._latents: list[Any] = []
        self._places: list[tuple[int, int]] = []
        shapes: dict[tuple[int, ...], Path] = {}
        for path in _expected_shards(folder, split):
            try:
                captions, latents = _open_shard(path)
            except UserError as error:
                if not skip_corrupt:
                    raise
                LOGGER.warning("skipped: %s", error.problem)
                continue
            shapes.setdefault(tuple(latents.get_shape()[1:]), path)
            self._places += [(len(self._latents), row) for row in range(len(captions))]
            self._latents.append(latents)
            self.captions += captions
        if len(shapes) > 1:
            (one, first), (other, second) = list(shapes.items())[:2]
            raise UserError(f"{first} holds clips of {one}, {second} of {other}.", "Keep one size in a folder.")
        if not self.captions:
            raise _no_clips(folder, split)

    def __len__(self) -> int:
        return len(self.captions)

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, L, h, w) of a clip."""
        return tuple(self._latents[0].get_shape()[1:])

    def batch(self, size: int, latent_frames: int, rng: np.random.Generator) -> LatentBatch:
        """Draw clips with replacement, cut to their first `latent_frames` latent frames."""
        return self.take(rng.integers(len(self), size=size), latent_frames)

    def take(self, rows: NDArray[np.int64], latent_frames: int | None = None) -> LatentBatch:
        """The clips of the given rows in float32, cut to their first `latent_frames` latent frames if given."""
        places = [self._places[row] for row in rows]
        clips = [self._latents[shard][row, :, :latent_frames].float() for shard, row in places]
        return LatentBatch(torch.stack(clips), [self.captions[row] for row in rows])


def _expected_shards(folder: Path, split: str) -> list[Path]:
    found = set(folder.glob(f"{split}-?????.safetensors"))
    if (folder / INDEX).is_file():
        found |= {path for path in _listed(folder) if path.name.startswith(f"{split}-")}
    if not found:
        raise _no_clips(folder, split)
    return sorted(found)


def _listed(folder: Path) -> Iterator[Path]:
    """Shards that the index of a folder lists."""
    path = folder / INDEX
    fix = "Encode again; finished shards are kept and the index is made again."
    entries = read_json_object(path, fix=fix, what="index of clips")
    for name in entries:
        shard = inside(folder, name, str(path))
        if shard.parent != folder:
            raise UserError(f"{path} names {name!r}, which is no shard of the folder.", "Do not use that folder.")
        yield shard


def _no_clips(folder: Path, split: str) -> UserError:
    return UserError(
        f"No encoded {split} clips in {folder}.",
        f"Run `trainer encode-videos` or `trainer encode-sprites` with --out {folder} --split {split}.",
    )


def texts_of(stored: str) -> list[str]:
    """The list of texts in a field of a shard. Raises ValueError where it is none."""
    texts = parse_json(stored)
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError("its captions are no list of texts")
    return texts


def _open_shard(path: Path) -> tuple[list[str], Any]:
    try:
        shard = safe_open(path, "pt")
        about: dict[str, str] = shard.metadata()  # type: ignore[no-untyped-call]
        captions = texts_of(about["captions"])
        latents = shard.get_slice("latents")  # type: ignore[no-untyped-call]
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"The shard {path} cannot be read: {error}.", "Encode it again, or set skip_corrupt_shards: true."
        ) from error
    if len(captions) != latents.get_shape()[0]:
        raise UserError(
            f"The shard {path} has {latents.get_shape()[0]} clips and {len(captions)} captions.", "Encode it again."
        )
    return captions, latents
