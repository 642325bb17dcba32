"""Where the paths in a recipe lead: the same places from any working folder.

A model is a shipped one's name, a Hub id, or a path; every relative path is relative to the file that states it. What a
command makes or takes where it runs begins with ``{work}``, the working folder. Paths of the command line are relative
to the working folder, as everywhere.
"""

import os
from collections.abc import Set
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from probekit.config import Document, Place, dump_config
from probekit.errors import UserError
from probekit.models.hub import is_hub_id
from probekit.models.model_folder import is_shipped, is_there

MODEL_KEYS: Final = (
    "initial_model", "real_model", "critic_model", "base_model", "teacher", "grown_from", "text_and_codec",
)  # fmt: skip
FILE_KEYS: Final = ("data", "trajectories", "prompts", "out")
RECIPES: Final = Path(__file__).parents[1] / "recipes"
WORK: Final = "{work}"


def placed(document: Document, folder: Path) -> Document:
    """A recipe's document with the paths of one file settled.

    Args:
        document: keys and values of the file.
        folder: folder of the file.

    Raises:
        UserError: if a path leads nowhere from the file, and somewhere from the working folder.
    """
    return {key: _settled(key, value, folder) for key, value in document.items()}


def placed_but(overridden: Set[str]) -> Place:
    """As `placed`, for a document of which some keys are overridden: where their values lead does not matter."""

    def place(document: Document, folder: Path) -> Document:
        return document | placed({key: value for key, value in document.items() if key not in overridden}, folder)

    return place


def placed_override(override: str, folder: Path) -> str:
    """An override of a sweep file, `key=value`, with its path settled. Raises UserError as `placed`."""
    key, equals, value = override.partition("=")
    return f"{key}{equals}{_settled(key, value, folder)}"


def _settled(key: str, value: Any, folder: Path) -> Any:
    if key not in (*MODEL_KEYS, *FILE_KEYS) or not isinstance(value, str) or not value:
        return value
    if value.startswith(f"{WORK}/"):
        return value.removeprefix(f"{WORK}/")
    if Path(value).is_absolute() or (key in MODEL_KEYS and is_shipped(value)):
        return value
    beside = Path(os.path.abspath(folder / value))
    if is_there(beside):
        return str(beside)
    if is_there(Path(value)):
        raise UserError(
            f"{key}: {value} is relative to the recipe's folder {folder}, where there is no such file or folder.",
            f'Write "{WORK}/{value}" for the one in the working folder, or give it by --set {key}={value}.',
        )
    return value if key in MODEL_KEYS and is_hub_id(value) else str(beside)


def recipe_text(config: BaseModel) -> str:
    """A configuration as a recipe file for any folder: relative paths, which are the working folder's, say so."""
    marked = {
        key: type(value)(f"{WORK}/{value}")
        for key, value in config
        if key in (*MODEL_KEYS, *FILE_KEYS) and isinstance(value, str | Path) and _is_of_working_folder(key, str(value))
    }
    return dump_config(config.model_copy(update=marked))


def unmarked(document: Document) -> Document:
    """The document of a text by `recipe_text`, or by an earlier version, with paths as in the configuration."""
    return {key: value.removeprefix(f"{WORK}/") if isinstance(value, str) else value for key, value in document.items()}


def _is_of_working_folder(key: str, value: str) -> bool:
    named = key in MODEL_KEYS and (is_shipped(value) or is_hub_id(value))
    return not named and not Path(value).is_absolute()


def recipe_file(recipe: Path) -> Path:
    """The file of a recipe: a path, or the name of a shipped one, e.g. `sprite/dmd_baseline`.

    Raises:
        UserError: naming the shipped recipes.
    """
    inside = Path(*recipe.parts[2:]) if recipe.parts[:2] == ("trainer", "recipes") else recipe
    named = RECIPES / inside
    for path in (recipe, named, named.with_name(f"{named.name}.yaml")):
        if is_there(path) and path.is_file():
            return path
    files = (path for path in RECIPES.rglob("*.yaml") if RECIPES / "sweeps" not in path.parents)
    shipped = sorted(str(path.relative_to(RECIPES).with_suffix("")) for path in files)
    raise UserError(f"There is no recipe {recipe}.", f"Give a YAML file, or a shipped recipe: {', '.join(shipped)}.")
