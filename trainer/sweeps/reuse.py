"""A training run that another sweep has finished is taken from it: tables share rows, and none is trained twice.

A run counts as the same if its recipe says the same in all but the name, and began from the same files. What it began
from stands in its folder from before its first step.
"""

import json
import logging
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from probekit.atomic_files import atomic_folder, write_json, write_text
from probekit.errors import UserError
from probekit.user_files.json_files import read_json, read_json_object
from probekit.user_files.yaml_files import parse_yaml, read_yaml
from trainer.commands.training import TAKEN, Training
from trainer.config.places import FILE_KEYS, MODEL_KEYS, recipe_text, unmarked
from trainer.config.recipe import load_recipe
from trainer.engine.follow_up import EXPORT, FOLLOWED_UP, noted_step
from trainer.sweeps.inputs import INPUTS, inputs_of

LOGGER = logging.getLogger("trainer")

_CONFIG: Final = "config.yaml"
_KEPT: Final = (_CONFIG, INPUTS, FOLLOWED_UP, "metrics.jsonl")


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


def is_trained(training: Training) -> bool:
    """Whether a folder holds the finished run that a stage asks for, be its checkpoints there or deleted.

    Raises:
        UserError: if it holds a run of another recipe.
    """
    if not (done := noted_step(training.folder)):
        return False
    there = _deciding(_recipe_document(training.folder / _CONFIG, ()))
    asked = _deciding(_recipe_document(training.recipe, training.changes))
    if changed := sorted(key for key in there.keys() | asked.keys() if there.get(key) != asked.get(key)):
        raise UserError(
            f"{training.folder} holds a run with other values of {', '.join(changed)}.",
            "Choose another --out, or delete the folder.",
        )
    return done == training.steps()[1]


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
        document = unmarked(_recipe_document(training.recipe, training.changes))
        from_before = ("initial_model",) if number else ()
        found.append({key: value for key, value in document.items() if key not in ("name", *from_before)})
    return json.dumps(found, sort_keys=True, default=str)


def _recipe_document(recipe: Path, changes: Sequence[str]) -> dict[str, Any]:
    document: dict[str, Any] = parse_yaml(recipe_text(load_recipe(recipe, changes)), "the recipe")
    return document


def _equals(training: Training, shelf: Path) -> Iterator[Path]:
    document = _deciding(_recipe_document(training.recipe, training.changes))
    own, planned = training.folder.resolve(), training.steps()[1]
    for run in runs_with(_CONFIG, shelf):
        if run.resolve() == own or (run / TAKEN).is_file() or not _is_whole(run) or noted_step(run) != planned:
            continue
        same = _deciding(read_yaml(run / _CONFIG, what="configuration", fix="Delete the folder.")) == document
        # Last, because it reads all weights that the training begins from.
        if same and read_json(run / INPUTS, fix="Delete the folder.") == inputs_of(training):
            yield run


def _is_whole(run: Path) -> bool:
    return (run / EXPORT).is_dir() and all((run / name).is_file() for name in _KEPT)


def _deciding(found: dict[str, Any]) -> dict[str, Any]:
    """What decides a training, beside what it begins from: everything but its name."""
    apart = ("name", *MODEL_KEYS, *FILE_KEYS)
    return {key: value for key, value in unmarked(found).items() if key not in apart}
