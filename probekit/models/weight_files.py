"""Reading weight files of every kind in use; no file runs code."""

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from probekit.errors import UserError
from probekit.models.weight_names import is_original_layout, to_diffusers, unwrapped

BRANCHES: Final = ("generator", "model", "generator_ema", "critic")
"""Top-level keys of the official trainers' files, in their loaders' order of precedence."""
AUXILIARY: Final = ("mirai_projector", "foresight_dim_proj")
"""Trained beside the generator in Video-Mirai's files; inference does not need them."""
_INDEX: Final = "*.safetensors.index.json"


class WeightFile(NamedTuple):
    """Named weights of one model.

    Attributes:
        weights: by diffusers' names, in the file's dtypes.
        layout: names that the file itself uses.
        branch: top-level key that the weights came from; None for a bare dictionary.
        branches: top-level keys that hold weights.
        unknown: unwrapped names that no text-to-video Wan has.
    """

    weights: dict[str, Tensor]
    layout: str
    branch: str | None
    branches: tuple[str, ...]
    unknown: tuple[str, ...]


def read_weight_file(path: Path, branch: str | None = None) -> WeightFile:
    """Read a `.pt`/`.pth` or `.safetensors` file, or a folder of safetensors with or without an index.

    Args:
        path: file or folder.
        branch: top-level key to take; None follows the official order generator, model, generator_ema.

    Raises:
        UserError: if the file cannot be read without running code, holds no weights, or lacks the branch.
    """
    content = read_tensors(path)
    branches = tuple(key for key, value in content.items() if isinstance(value, Mapping) and key not in AUXILIARY)
    chosen = branch if branch is not None else next((key for key in BRANCHES if key in branches), None)
    if branch is not None and branch not in branches:
        raise UserError(f"{path} has no branch {branch!r}.", f"It has: {', '.join(branches) or 'no branches'}.")
    if chosen is None and branches:
        raise UserError(f"{path} has branches {', '.join(branches)}, none of which is known.", "Name one: --branch.")
    state = content if chosen is None else content[chosen]
    if not isinstance(state, Mapping):
        raise UserError(f"{path}: {chosen} holds a {type(state).__name__}.", "Give a file of model weights.")
    tensors = {name: value for name, value in state.items() if isinstance(value, Tensor)}
    if not tensors or len(tensors) < len(state):
        raise UserError(f"{path} does not hold named tensors.", "Give a file of model weights.")
    return _in_diffusers_names(path, tensors, chosen, branches)


def _in_diffusers_names(
    path: Path, state: Mapping[str, Tensor], branch: str | None, branches: tuple[str, ...]
) -> WeightFile:
    plain = {unwrapped(name): value for name, value in state.items()}
    if len(plain) < len(state):
        raise UserError(f"{path}: several names are the same once wrappers are removed.", "Export the weights again.")
    if not is_original_layout(plain):
        return WeightFile(plain, "diffusers", branch, branches, ())
    renamed = {name: to_diffusers(name) for name in plain}
    known = {new: plain[old] for old, new in renamed.items() if new is not None}
    unknown = tuple(old for old, new in renamed.items() if new is None)
    return WeightFile(known, "original", branch, branches, unknown)


def read_tensors(path: Path) -> Mapping[str, Tensor | Mapping[str, Tensor]]:
    """What a weight file or folder holds, memory-mapped where the format allows it.

    Raises:
        UserError: if it cannot be read without running code.
    """
    if path.is_dir():
        return _read_folder(path)
    if not path.is_file():
        raise UserError(f"There is no file {path}.", "Check the path.")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} holds more than tensors, so that opening it could run code: {str(error).splitlines()[0]}",
            "Save its weights alone, with torch.save(model.state_dict(), ...).",
        ) from error
    except (RuntimeError, SafetensorError, EOFError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}", "Copy it again.") from error
    if not isinstance(content, Mapping):
        raise UserError(f"{path} holds a {type(content).__name__}, not named tensors.", "Give a file of weights.")
    return content


def _read_folder(folder: Path) -> Mapping[str, Tensor]:
    indices = sorted(folder.glob(_INDEX))
    if indices:
        shards = sorted(set(json.loads(indices[0].read_text(encoding="utf-8"))["weight_map"].values()))
        files = [folder / shard for shard in shards]
    else:
        files = sorted(folder.glob("*.safetensors"))
    missing = [file.name for file in files if not file.is_file()]
    if missing or not files:
        raise UserError(
            f"{folder} lacks {', '.join(missing) or 'safetensors files'}.", "Download the folder again, completely."
        )
    merged: dict[str, Tensor] = {}
    for file in files:
        merged |= load_file(file)
    return merged
