"""Shards of teacher trajectories: the states at the few-step levels, the end of the ODE, the ground truth."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from probekit.atomic_files import atomic_path
from probekit.errors import UserError


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


class Trajectories:
    """A folder of trajectories, held in memory as float16.

    Args:
        folder: where `write_trajectories` wrote.
        sigmas: noise levels of the student's steps.

    Raises:
        UserError: if there is no shard, or its states belong to other noise levels.
    """

    def __init__(self, folder: Path, sigmas: Sequence[float]) -> None:
        paths = sorted(folder.glob("trajectories-*.safetensors"))
        if not paths:
            raise UserError(
                f"There are no trajectories in {folder}.",
                "Run `trainer train` with a recipe of stage ode_trajectories, e.g. "
                "trainer/recipes/sprite/ode_trajectories.yaml.",
            )
        self.captions: list[str] = []
        parts: list[dict[str, Tensor]] = []
        for path in paths:
            with safe_open(path, "pt") as shard:
                _check_levels(path, json.loads(shard.metadata()["sigmas"]), sigmas)
                parts.append({name: shard.get_tensor(name) for name in shard.keys()})
                self.captions.extend(json.loads(shard.metadata()["captions"]))
        if len({frozenset(part) for part in parts}) > 1:
            raise UserError(f"Some shards in {folder} have ground truth and others have none.", "Use one teacher.")
        self._tensors = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def __len__(self) -> int:
        return len(self.captions)

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, L, h, w) of a clip."""
        return tuple(self._tensors["endpoint"].shape[1:])

    @property
    def latent_frames(self) -> int:
        """Latent frames of a clip."""
        return self.shape[1]

    @property
    def has_ground_truth(self) -> bool:
        """Whether the teacher was forced on ground truth."""
        return "clean" in self._tensors

    def batch(self, size: int, rng: np.random.Generator) -> TrajectoryBatch:
        """Draw trajectories with replacement."""
        return self.take(rng.integers(len(self), size=size))

    def take(self, rows: NDArray[np.int64]) -> TrajectoryBatch:
        """The trajectories of the given rows in float32."""
        index = torch.from_numpy(rows)
        chosen = {name: tensor[index].float() for name, tensor in self._tensors.items()}
        captions = [self.captions[row] for row in rows]
        return TrajectoryBatch(chosen["states"], chosen["endpoint"], chosen.get("clean"), captions)


def _check_levels(path: Path, stored: Sequence[float], wanted: Sequence[float]) -> None:
    if len(stored) != len(wanted) or not np.allclose(stored, wanted, rtol=0, atol=1e-6):
        raise UserError(
            f"{path} holds states at noise levels {[round(level, 4) for level in stored]}, not "
            f"{[round(level, 4) for level in wanted]}.",
            "Make trajectories with the recipe's few_steps and shift.",
        )
