"""Shards of teacher trajectories: the states at the few-step levels, the end of the ODE, the ground truth."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from probekit.atomic_files import atomic_path
from probekit.errors import UserError
from probekit.user_files.json_files import parse_json
from trainer.data.latent_clips import texts_of

LOGGER = logging.getLogger("trainer")


class TrajectoryBatch(NamedTuple):
    """Trajectories of B clips.

    Attributes:
        states: (B, K, C, L, h, w), the state at each of the K few-step levels.
        endpoint: (B, C, L, h, w), where the teacher's ODE ends.
        clean: (B, C, L, h, w), the ground truth that the teacher was forced on; None for one that made whole clips.
    """

    states: Tensor
    endpoint: Tensor
    clean: Tensor | None
    captions: list[str]


def joined(parts: Sequence[TrajectoryBatch]) -> TrajectoryBatch:
    """Batches one after the other."""
    clean = [part.clean for part in parts if part.clean is not None]
    return TrajectoryBatch(
        torch.cat([part.states for part in parts]),
        torch.cat([part.endpoint for part in parts]),
        torch.cat(clean) if clean else None,
        [caption for part in parts for caption in part.captions],
    )


def trajectory_path(folder: Path, number: int) -> Path:
    """File of one shard."""
    return folder / f"trajectories-{number:05d}.safetensors"


def write_trajectories(path: Path, batch: TrajectoryBatch, sigmas: Sequence[float]) -> None:
    """Write one shard in half precision; `sigmas` are the noise levels of the stored states."""
    tensors = {"states": batch.states.half(), "endpoint": batch.endpoint.half()}
    if batch.clean is not None:
        tensors["clean"] = batch.clean.half()
    about = {"captions": json.dumps(batch.captions), "sigmas": json.dumps(list(sigmas))}
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary, metadata=about)


class CorruptShard(UserError):
    """A shard cannot be read."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"The shard {path} cannot be read: {reason}.",
            "Delete it and make it again, or set skip_corrupt_shards: true.",
        )


def is_finished(path: Path, sigmas: Sequence[float]) -> bool:
    """Whether a shard is there; a damaged one is named in a warning and made again.

    Raises:
        UserError: if its states belong to other noise levels.
    """
    if not path.exists():
        return False
    try:
        _open_shard(path, sigmas)
    except CorruptShard as error:
        LOGGER.warning("made again: %s", error.problem)
        return False
    return True


class Trajectories:
    """A folder of trajectories. Shards are memory-mapped: a batch reads its own rows (6,000 of Wan's are 150 GB).

    Args:
        folder: where `write_trajectories` wrote.
        sigmas: noise levels of the student's steps.
        skip_corrupt: leave out shards that cannot be read, with a warning that names them.

    Raises:
        UserError: if there is no shard, one cannot be read, its states belong to other noise levels, or shards differ
            in shape or in whether they have ground truth.
    """

    def __init__(self, folder: Path, sigmas: Sequence[float], skip_corrupt: bool = False) -> None:
        self.captions: list[str] = []
        self._shards: list[dict[str, Any]] = []
        self._places: list[tuple[int, int]] = []
        for path in sorted(folder.glob("trajectories-*.safetensors")):
            try:
                captions, tensors = _open_shard(path, sigmas)
            except CorruptShard as error:
                if not skip_corrupt:
                    raise
                LOGGER.warning("skipped: %s", error.problem)
                continue
            if self._shards and _shapes(tensors) != _shapes(self._shards[0]):
                raise UserError(
                    f"{path} holds {_shapes(tensors)}, the shards before it {_shapes(self._shards[0])}.",
                    "Keep the trajectories of one teacher and one size in a folder.",
                )
            self._places += [(len(self._shards), row) for row in range(len(captions))]
            self._shards.append(tensors)
            self.captions += captions
        if not self._shards:
            raise UserError(
                f"There are no trajectories in {folder}.",
                "Run `trainer train` with a recipe of stage ode_trajectories, e.g. "
                "trainer/recipes/sprite/ode_trajectories.yaml.",
            )

    def __len__(self) -> int:
        return len(self.captions)

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, L, h, w) of a clip."""
        return _shapes(self._shards[0])["endpoint"]

    @property
    def latent_frames(self) -> int:
        """Latent frames of a clip."""
        return self.shape[1]

    @property
    def has_ground_truth(self) -> bool:
        """Whether the teacher was forced on ground truth."""
        return "clean" in self._shards[0]

    def take(self, rows: NDArray[np.int64]) -> TrajectoryBatch:
        """The trajectories of the given rows in float32."""
        places = [self._places[row] for row in rows]
        chosen = {
            name: torch.stack([self._shards[shard][name][row].float() for shard, row in places])
            for name in self._shards[0]
        }
        captions = [self.captions[row] for row in rows]
        return TrajectoryBatch(chosen["states"], chosen["endpoint"], chosen.get("clean"), captions)


def _shapes(tensors: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Shapes without the rows."""
    return {name: tuple(tensor.get_shape()[1:]) for name, tensor in tensors.items()}


def _open_shard(path: Path, sigmas: Sequence[float]) -> tuple[list[str], dict[str, Any]]:
    try:
        shard = safe_open(path, "pt")
        about: dict[str, str] = shard.metadata()  # type: ignore[no-untyped-call]
        captions = texts_of(about["captions"])
        levels = [float(level) for level in parse_json(about["sigmas"])]
        names = sorted(shard.keys())  # type: ignore[no-untyped-call]
        tensors = {name: shard.get_slice(name) for name in names}  # type: ignore[no-untyped-call]
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CorruptShard(path, str(error)) from error
    if {tensor.get_shape()[0] for tensor in tensors.values()} != {len(captions)}:
        raise CorruptShard(path, f"Its tensors do not have {len(captions)} rows")
    _check_levels(path, levels, sigmas)
    return captions, tensors


def _check_levels(path: Path, stored: Sequence[float], wanted: Sequence[float]) -> None:
    if len(stored) != len(wanted) or not np.allclose(stored, wanted, rtol=0, atol=1e-6):
        raise UserError(
            f"{path} holds states at noise levels {[round(level, 4) for level in stored]}, not "
            f"{[round(level, 4) for level in wanted]}.",
            "Make trajectories with the recipe's few_steps and shift.",
        )
