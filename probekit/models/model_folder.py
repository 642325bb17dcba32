"""Where a model is: a shipped one, a file or folder, or a Hub id; and the configurations of its parts. Torch-free."""

import json
from pathlib import Path
from typing import Any, Final

from probekit.errors import UserError
from probekit.models.hub import hub_folder, is_hub_id

SHIPPED_MODELS: Final = Path(__file__).parents[1] / "sprite_world" / "weights"


def where(model: str) -> Path | None:
    """The file or folder that a name means on this machine; None if there is none.

    A shipped model comes before a path of the same name; write ``./name`` for the path.
    """
    shipped = () if model.startswith(".") else (SHIPPED_MODELS / model,)
    return next((path for path in (*shipped, Path(model)) if path.exists()), None)


def model_folder(model: str) -> Path:
    """The folder of a shipped model's name, the given folder itself, or the snapshot of a Hub id.

    Raises:
        UserError: if it is none of these.
    """
    path = where(model)
    if path is not None and path.is_dir():
        return path
    if path is not None:
        raise UserError(
            f"{model} is a weight file, which holds neither codec nor text encoder.",
            "Make a model folder of it: probekit weights convert FILE FOLDER --parts WAN_FOLDER --role dmd_student.",
        )
    if is_hub_id(model):
        return hub_folder(model)
    shipped = ", ".join(sorted(path.name for path in SHIPPED_MODELS.iterdir() if path.is_dir()))
    raise UserError(f"There is no model folder {model!r}.", f"Give a folder in diffusers layout or one of: {shipped}.")


def read_component_config(folder: Path, component: str) -> dict[str, Any]:
    """Read `component/config.json` of a model folder.

    Raises:
        UserError: if the folder is not a model folder.
    """
    path = folder / component / "config.json"
    if not path.is_file():
        raise UserError(
            f"{folder} is not a model folder: it has no {component}/config.json.",
            "Give a folder in diffusers layout, or one of the shipped models: sprite-base, sprite-large.",
        )
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return config
