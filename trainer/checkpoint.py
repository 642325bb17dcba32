"""Training checkpoints: one atomic file a checkpoint, the newest few kept, loaded without running code."""

import re
from pathlib import Path
from typing import Any, NamedTuple

import torch

from probekit.atomic_files import atomic_path
from probekit.errors import UserError

_NAME = re.compile(r"step-(\d{7})\.pt")


class Checkpoint(NamedTuple):
    """Steps already done, the stage's state, and the configuration that made it."""

    steps_done: int
    state: dict[str, Any]
    config: str


def checkpoint_paths(folder: Path) -> list[Path]:
    """Checkpoints of a run, oldest first."""
    return sorted(path for path in folder.glob("step-*.pt") if _NAME.fullmatch(path.name))


def save_checkpoint(folder: Path, checkpoint: Checkpoint, keep: int = 2) -> Path:
    """Write a checkpoint, then remove all but the newest `keep`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step-{checkpoint.steps_done:07d}.pt"
    with atomic_path(path) as temporary:
        torch.save(checkpoint._asdict(), temporary)
    for old in checkpoint_paths(folder)[:-keep]:
        old.unlink()
    return path


def load_latest(folder: Path) -> Checkpoint | None:
    """Read the newest checkpoint of a run; None if it has none.

    Raises:
        UserError: if the file cannot be read.
    """
    paths = checkpoint_paths(folder)
    if not paths:
        return None
    try:
        return Checkpoint(**torch.load(paths[-1], weights_only=True, map_location="cpu"))
    except (RuntimeError, EOFError, TypeError) as error:
        raise UserError(
            f"The checkpoint {paths[-1]} cannot be read: {error}.", "Delete it to resume from an older one."
        ) from error
