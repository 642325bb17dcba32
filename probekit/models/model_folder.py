"""Where a model is: shipped with the toolkit, a file or folder, or on the Hub. Torch-free."""

import logging
from pathlib import Path
from typing import Final

from probekit.errors import UserError
from probekit.models.hub import hub_folder, is_hub_id

LOGGER = logging.getLogger("probekit")

SHIPPED_MODELS: Final = Path(__file__).parents[1] / "sprite_world" / "weights"


def is_there(path: Path) -> bool:
    """Whether there is a file or folder of that name; no name is too long or too odd to ask."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def is_shipped(model: str) -> bool:
    """Whether a name is that of a model which comes with the toolkit."""
    return Path(model).name == model and is_there(SHIPPED_MODELS / model / "model_index.json")


def local_place(model: str) -> Path | None:
    """The file or folder that a name means on this machine, a shipped model before a path; None if there is none."""
    if is_shipped(model):
        shipped, here = SHIPPED_MODELS / model, Path(model)
        if here.exists() and here.resolve() != shipped.resolve():
            LOGGER.warning("%s is the shipped model; the one in this folder is ./%s", model, model)
        return shipped
    return Path(model) if model and is_there(Path(model)) else None


def where(model: str) -> Path:
    """The folder of a shipped model's name, the given file or folder itself, or the snapshot of a Hub id.

    Raises:
        UserError: if it is none of these.
    """
    place = local_place(model)
    if place is not None:
        return place
    if is_hub_id(model):
        return hub_folder(model)
    shipped_names = ", ".join(sorted(path.name for path in SHIPPED_MODELS.iterdir() if is_shipped(path.name)))
    raise UserError(
        f"There is no model {model!r}.",
        f"Give a file, a folder in diffusers layout, a Hub id, or one of the shipped models: {shipped_names}.",
    )


def model_folder(model: str) -> Path:
    """The folder of a model, by name as in `where`.

    Raises:
        UserError: if there is none, or it is a weight file alone.
    """
    place = where(model)
    if place.is_dir():
        return place
    raise UserError(
        f"{model} is a weight file, which holds neither codec nor text encoder.",
        "Make a model folder of it: probekit weights convert FILE FOLDER --parts WAN_FOLDER --role dmd_student.",
    )
