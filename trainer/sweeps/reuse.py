"""A training run that another sweep has finished is taken from it: tables share rows, and none is trained twice.

A run counts as the same if its recipe says the same in all but the name, and began from the same files. What it began
from stands in its folder from before its first step.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from probekit.atomic_files import atomic_folder, write_json, write_text
from probekit.errors import UserError
from probekit.models.loading import hash_checkpoint
from probekit.models.model_folder import model_folder
from probekit.models.saving import SHARED_PARTS
from probekit.provenance import sha256_of_settled
from probekit.user_files.json_files import read_json, read_json_object
from probekit.user_files.yaml_files import parse_yaml, read_yaml
from trainer.commands.training import TAKEN, Training
from trainer.config.places import FILE_KEYS, MODEL_KEYS, recipe_text, unmarked
from trainer.config.recipe import load_recipe
from trainer.engine.follow_up import EXPORT, FOLLOWED_UP

LOGGER = logging.getLogger("trainer")

INPUTS: Final = "inputs.json"
"""What a training of a sweep began from."""
_CONFIG: Final = "config.yaml"
_KEPT: Final = (_CONFIG, INPUTS, FOLLOWED_UP, "metrics.jsonl")


def note_inputs(training: Training) -> None:
    """Write what the training begins from into its folder, once.

    Raises:
        UserError: if the folder's training began from other weights or data than are there now.
    """
    path, now = training.folder / INPUTS, _inputs(training)
    if not path.is_file():
        write_json(path, now)
        return
    before = read_json_object(path, fix="Delete the folder to train it again.")
    if before != now:
        changed = sorted(key for key in now if before.get(key) != now[key])
        raise UserError(
            f"{training.folder} was trained from other files than {', '.join(changed)} leads to now.",
            "Choose another --out, or delete the folder.",
        )


def take_finished(training: Training, shelf: Path) -> bool:
    """Copy the finished run of another sweep that trained the same; whether there was one.

    The copy has the export, the log and the configuration under its own name, and says where it is from.

    Args:
        training: a stage of a row that has not begun.
        shelf: folder of all sweeps.
    """
    if (training.folder / INPUTS).is_file():
        return False
    source = next(_equals(training, shelf), None)
    if source is None:
        return False
    with atomic_folder(training.folder) as unfinished:
        shutil.copytree(source / EXPORT, unfinished / EXPORT)
        for name in _KEPT:
            shutil.copyfile(source / name, unfinished / name)
        write_text(unfinished / _CONFIG, recipe_text(load_recipe(training.recipe, training.changes)))
        write_json(unfinished / TAKEN, {"from": str(source)})
    LOGGER.info("%s: taken from %s, which trained the same", training.folder, source)
    return True


def taken_from(run: Path) -> Path | None:
    """The run that a copy was taken from; None if it is no copy, or the other is gone."""
    if not (run / TAKEN).is_file():
        return None
    source = Path(str(read_json_object(run / TAKEN, fix="Delete the folder to train it again.").get("from")))
    return source if (source / EXPORT).is_dir() else None


def runs_with(name: str, shelf: Path) -> Iterator[Path]:
    """Run folders of all sweeps that have a file of this name.

    Args:
        name: name of the file.
        shelf: folder of all sweeps.
    """
    for depth in ("*/*", "*/_runs/*/*"):
        yield from (path.parent for path in sorted(shelf.glob(f"{depth}/{name}")))


def what_is_trained(trainings: Sequence[Training]) -> str:
    """The same text for two runs of one command exactly where they train the same from the same paths.

    Args:
        trainings: stages of a run.
    """
    found = []
    for number, training in enumerate(trainings):
        document = unmarked(_recipe_document(training))
        from_before = ("initial_model",) if number else ()
        found.append({key: value for key, value in document.items() if key not in ("name", *from_before)})
    return json.dumps(found, sort_keys=True, default=str)


def _recipe_document(training: Training) -> dict[str, Any]:
    document: dict[str, Any] = parse_yaml(recipe_text(load_recipe(training.recipe, training.changes)), "the recipe")
    return document


def _equals(training: Training, shelf: Path) -> Iterator[Path]:
    document = _document(_recipe_document(training))
    own, planned = training.folder.resolve(), training.steps()[1]
    for run in runs_with(_CONFIG, shelf):
        if run.resolve() == own or not _is_whole(run) or (run / TAKEN).is_file():
            continue
        steps = read_json_object(run / FOLLOWED_UP, fix="Delete the folder.").get("step")
        same = _document(read_yaml(run / _CONFIG, what="configuration", fix="Delete the folder.")) == document
        # Last, because it reads all weights that the training begins from.
        if same and steps == planned and read_json(run / INPUTS, fix="Delete the folder.") == _inputs(training):
            yield run


def _is_whole(run: Path) -> bool:
    return (run / EXPORT).is_dir() and all((run / name).is_file() for name in _KEPT)


def _document(found: dict[str, Any]) -> dict[str, Any]:
    """What decides a training, beside what it begins from: everything but its name."""
    apart = ("name", *MODEL_KEYS, *FILE_KEYS)
    return {key: value for key, value in unmarked(found).items() if key not in apart}


def _inputs(training: Training) -> dict[str, str]:
    """Fingerprint of what each path of the recipe leads to: models by content, data by names, sizes and times."""
    recipe = load_recipe(training.recipe, training.changes).model_dump(mode="json")
    given = {key: str(recipe[key]) for key in (*MODEL_KEYS, *FILE_KEYS) if recipe.get(key)}
    return {key: _fingerprint(key, value) for key, value in given.items()}


def _fingerprint(key: str, value: str) -> str:
    if key in FILE_KEYS:
        return _fingerprint_of_data(Path(value))
    folder = model_folder(value)
    return _hash_parts(folder) if key == "text_and_codec" else hash_checkpoint(folder)


def _fingerprint_of_data(place: Path) -> str:
    stats = [(name, path.stat().st_size, path.stat().st_mtime_ns) for name, path in _files(place)]
    return hashlib.sha256(repr(stats).encode()).hexdigest()


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
