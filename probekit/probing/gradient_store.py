"""Sketches of gradients on disk: a file per batch that `trainer gradients` writes, and `probekit gradients` reads.

Torch-free. A batch is there whole or not at all, so that an interrupted call goes on and a later one may add batches.
"""

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
from probekit.probing.store_cards import claim

CARD_FILE: Final = "gradients.json"
_AGAIN: Final = "Delete it, and run `trainer gradients` again."


class GradientCard(StrictModel):
    """What gradients were taken of.

    Attributes:
        model: name of the training.
        recipe: its configuration, as JSON.
        step: updates that had been made.
        size: numbers of a sketch.
        losses: names of the losses.
        blocks: names of the blocks.
    """

    model: str
    recipe: str
    step: int
    size: int
    losses: tuple[str, ...]
    blocks: tuple[str, ...]


class BatchGradients(NamedTuple):
    """Gradients of K losses in P blocks, of one batch.

    Attributes:
        sketches: (K, P, S) float32.
        norms: (K, P) exact norms.
        exit_step: denoising step at which the rollout was left.
    """

    sketches: NDArray[np.float32]
    norms: NDArray[np.float64]
    exit_step: int


class Gradients(NamedTuple):
    """All batches of a store.

    Attributes:
        sketches: (B, K, P, S) float32.
        norms: (B, K, P) exact norms.
        exit_steps: (B,) denoising step at which each batch's rollout was left.
    """

    sketches: NDArray[np.float32]
    norms: NDArray[np.float64]
    exit_steps: NDArray[np.int64]


def claim_gradients(folder: Path, card: GradientCard) -> None:
    """Write the card of a new store.

    Raises:
        UserError: the folder holds gradients of something else.
    """
    claim(folder / CARD_FILE, card, read_gradient_card, "gradients")


def read_gradient_card(folder: Path) -> GradientCard:
    """The card of a store.

    Raises:
        UserError: the folder holds no gradients, or its card is damaged.
    """
    if not (folder / CARD_FILE).is_file():
        raise UserError(f"{folder} holds no gradients: it has no {CARD_FILE}.", "Run `trainer gradients` first.")
    return read_json_model(folder / CARD_FILE, GradientCard, "Write gradients into another folder.")


def batch_path(folder: Path, number: int) -> Path:
    """Place of a batch."""
    return folder / f"batch-{number:05d}.safetensors"


def write_batch(folder: Path, number: int, batch: BatchGradients) -> None:
    """Write a batch, whole or not at all."""
    arrays: dict[str, NDArray[Any]] = {
        "sketches": np.ascontiguousarray(batch.sketches, np.float32),
        "norms": np.ascontiguousarray(batch.norms, np.float64),
        "exit_step": np.array([batch.exit_step], np.int64),
    }
    with atomic_path(batch_path(folder, number)) as temporary:
        save_file(arrays, temporary)


def has_batch(folder: Path, number: int, card: GradientCard) -> bool:
    """Whether a batch is there and whole."""
    try:
        _read_batch(batch_path(folder, number), card)
    except UserError:
        return False
    return True


def read_gradients(folder: Path) -> tuple[Gradients, GradientCard]:
    """Read every batch of a store.

    Raises:
        UserError: the folder is no store, has no batch, or a batch is damaged.
    """
    card = read_gradient_card(folder)
    paths = sorted(folder.glob("batch-?????.safetensors"))
    if not paths:
        raise UserError(f"{folder} holds no batch yet.", "Run `trainer gradients` again; it goes on.")
    found = [_read_batch(path, card) for path in paths]
    sketches, norms = (np.stack([batch[index] for batch in found]) for index in (0, 1))
    return Gradients(sketches, norms, np.array([batch.exit_step for batch in found])), card


def _read_batch(path: Path, card: GradientCard) -> BatchGradients:
    try:
        with safe_open(path, "numpy") as file:
            arrays: dict[str, NDArray[Any]] = {name: file.get_tensor(name) for name in file.keys()}
    except (OSError, SafetensorError) as error:
        raise UserError(f"The batch {path} is damaged: {error}.", _AGAIN) from error
    shape = (len(card.losses), len(card.blocks))
    expected = {"sketches": (*shape, card.size), "norms": shape, "exit_step": (1,)}
    if {name: array.shape for name, array in arrays.items()} != expected:
        raise UserError(f"The batch {path} is damaged: its sizes are not those of the card.", _AGAIN)
    return BatchGradients(arrays["sketches"], arrays["norms"], int(arrays["exit_step"][0]))
