"""What a training of a sweep began from: noted before its first step, and compared when it goes on."""

import hashlib
from collections.abc import Container
from pathlib import Path
from typing import Final

from probekit.atomic_files import write_json
from probekit.errors import UserError
from probekit.models.loading import hash_checkpoint
from probekit.models.model_folder import local_place, model_folder
from probekit.models.saving import SHARED_PARTS
from probekit.provenance import sha256_of_samples, sha256_of_settled
from probekit.user_files.json_files import read_json_object
from trainer.commands.training import Training
from trainer.config.places import FILE_KEYS, MODEL_KEYS
from trainer.config.recipe import load_recipe

INPUTS: Final = "inputs.json"
"""What a training of a sweep began from."""


def note_inputs(training: Training, trained: bool = False) -> None:
    """Write what the training begins from into its folder, once.

    Args:
        training: stage of a row.
        trained: whether it is finished. What it began from may be gone then; what is still there is compared.

    Raises:
        UserError: if the folder's training began from other weights or data than are there now.
    """
    gone = {key for key, value in _given(training).items() if trained and local_place(value) is None}
    path, now = training.folder / INPUTS, inputs_of(training, but=gone)
    if not path.is_file():
        write_json(path, now)
        return
    before = read_json_object(path, fix="Delete the folder to train it again.")
    if changed := sorted(key for key in (before.keys() | now.keys()) - gone if before.get(key) != now.get(key)):
        raise UserError(
            f"{training.folder} was trained from other files than {', '.join(changed)} leads to now.",
            "Choose another --out, or delete the folder.",
        )


def inputs_of(training: Training, but: Container[str] = ()) -> dict[str, str]:
    """Fingerprint of what each path of the recipe leads to: models by content, data by names and samples of it.

    Args:
        training: stage of a row.
        but: keys of the recipe that are left out.
    """
    return {key: _fingerprint(key, value) for key, value in _given(training).items() if key not in but}


def _given(training: Training) -> dict[str, str]:
    recipe = load_recipe(training.recipe, training.changes).model_dump(mode="json")
    return {key: str(recipe[key]) for key in (*MODEL_KEYS, *FILE_KEYS) if recipe.get(key)}


def _fingerprint(key: str, value: str) -> str:
    if key in FILE_KEYS:
        return _fingerprint_of_data(Path(value))
    folder = model_folder(value)
    return _hash_parts(folder) if key == "text_and_codec" else hash_checkpoint(folder)


def _fingerprint_of_data(place: Path) -> str:
    digest = hashlib.sha256()
    for name, path in _files(place):
        digest.update(f"{name}/".encode() + bytes.fromhex(sha256_of_samples(path)))
    return digest.hexdigest()


def _hash_parts(folder: Path) -> str:
    """Text encoder, tokenizer and codec alone: a training reads nothing else of the folder, such as its card."""
    digest = hashlib.sha256()
    for part in SHARED_PARTS:
        for name, path in _files(folder / part):
            digest.update(f"{part}/{name}".encode() + bytes.fromhex(sha256_of_settled(path)))
    return digest.hexdigest()


def _files(place: Path) -> list[tuple[str, Path]]:
    files = sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]
    return [(path.relative_to(place).as_posix(), path) for path in files]
