"""What a model folder says about its diffusers pipeline, without opening it. Torch-free."""

import hashlib
import json
import struct
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any, Final

from probekit.errors import UserError

_INDEX: Final = "model_index.json"
_DENOISERS: Final = ("transformer*", "unet*")


def pipeline_class(folder: Path) -> str | None:
    """The pipeline class that `model_index.json` names; None for a folder without one.

    Raises:
        UserError: if the index is no JSON or names no class.
    """
    index = _index(folder)
    return None if index is None else str(index["_class_name"])


def is_foreign(folder: Path) -> bool:
    """Whether only diffusers' own pipeline can run a folder: another class than Wan's, or Wan 2.2's additions."""
    index = _index(folder)
    if index is None:
        return False
    second = index.get("transformer_2") or [None, None]
    return index["_class_name"] != "WanPipeline" or second[1] is not None or bool(index.get("expand_timesteps"))


def _index(folder: Path) -> dict[str, Any] | None:
    path = folder / _INDEX
    if not path.is_file():
        return None
    try:
        index: Any = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is not JSON: {error}.", "copy the model again.") from error
    if not isinstance(index, dict) or "_class_name" not in index:
        raise UserError(f"{path} names no pipeline class.", "give a folder that diffusers' save_pretrained wrote.")
    return index


def hash_denoisers(folder: Path) -> str:
    """SHA-256 over the weight files of all denoisers, in the order of their paths."""
    digest = hashlib.sha256()
    for path in _weight_files(folder):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def count_parameters(folder: Path) -> int:
    """Numbers in the weight files of all denoisers, read from their headers; codec and text encoder do not count."""
    return sum(prod(shape) for path in _weight_files(folder) for shape in _shapes(path))


def _weight_files(folder: Path) -> list[Path]:
    return sorted(path for part in _DENOISERS for path in folder.glob(f"{part}/*.safetensors"))


def _shapes(path: Path) -> Iterator[list[int]]:
    """Shapes of a safetensors file's tensors: 8 bytes of length, then a JSON header."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header: dict[str, Any] = json.loads(file.read(length))
    for name, tensor in header.items():
        if name != "__metadata__":
            yield tensor["shape"]
