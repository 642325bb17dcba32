"""What a model folder says about its diffusers pipeline, without opening it. Torch-free."""

import hashlib
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any, Final

from probekit.errors import UserError
from probekit.models.component_configs import COPY_AGAIN, refuse_code
from probekit.models.weight_sets import WeightSet, chosen_set
from probekit.tensor_files import format_of, tensor_facts
from probekit.user_files.json_files import read_json, read_json_object

_INDEX: Final = "model_index.json"
_DENOISERS: Final = ("transformer", "unet")
_DATA: Final = {"tokenizer.json", "vocab.json", "merges.json", "added_tokens.json", "special_tokens_map.json"}
"""JSON of components that configures nothing, and may be large; indices of shards are the others."""


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
    return index["_class_name"] != "WanPipeline" or has_second_expert(folder) or bool(index.get("expand_timesteps"))


def has_second_expert(folder: Path) -> bool:
    """Whether `model_index.json` names a second denoiser, as Wan 2.2's 14B models do."""
    return "transformer_2" in _components(folder)


def _index(folder: Path) -> dict[str, Any] | None:
    path = folder / _INDEX
    if not path.is_file():
        return None
    index = read_json_object(path, fix=COPY_AGAIN)
    if not index.get("_class_name"):
        raise UserError(f"{path} names no pipeline class.", "Give a folder that diffusers' save_pretrained wrote.")
    return index


def _components(folder: Path) -> dict[str, tuple[str, str]]:
    """Library and class of each component that a folder has."""
    found = {name: value for name, value in (_index(folder) or {}).items() if isinstance(value, list)}
    return {
        name: (str(value[0]), str(value[1])) for name, value in found.items() if len(value) == 2 and None not in value
    }


def refuse_pipeline_code(folder: Path) -> None:
    """Refuse a pipeline that would be opened with code from its folder or from elsewhere.

    Raises:
        UserError: naming the file and the code.
    """
    index = _index(folder) or {}
    if not isinstance(index.get("_class_name"), str):
        refuse_code(folder / _INDEX, {"auto_map": index.get("_class_name")})
    for component, (library, name) in _components(folder).items():
        if (folder / component / f"{library}.py").exists():
            refuse_code(folder / _INDEX, {"auto_map": f"{component} is {name} of {component}/{library}.py"})
    for part in (folder, *(folder / component for component in _components(folder))):
        for path in sorted(part.glob("*.json")):
            if path.name not in _DATA and not path.name.endswith(".index.json"):
                found = read_json(path, fix=COPY_AGAIN, allow_nan=True)
                refuse_code(path, found if isinstance(found, dict) else {})


def denoiser_sets(folder: Path) -> dict[str, WeightSet]:
    """The weights of each denoiser that diffusers opens in a folder, by component.

    Raises:
        UserError: if a denoiser has none, or several and none is standard.
    """
    named = [name for name in _components(folder) if name.startswith(_DENOISERS)]
    parts = named or [name for name in ("transformer",) if (folder / name).is_dir()]
    return {name: chosen_set(folder / name) for name in sorted(parts) if (folder / name).is_dir()}


def hash_denoisers(folder: Path) -> str:
    """SHA-256 over the weight files of all denoisers, in the order of their paths."""
    digest = hashlib.sha256()
    for path in _weight_files(folder):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def count_parameters(folder: Path) -> int:
    """Numbers in the weight files of all denoisers, from headers where they have one; nothing else counts."""
    return sum(count for path in _weight_files(folder) for count in _counts(path))


def _weight_files(folder: Path) -> list[Path]:
    return [path for chosen in denoiser_sets(folder).values() for path in chosen.files]


def _counts(path: Path) -> Iterator[int]:
    if format_of(path) == "safetensors":
        yield from (prod(facts.shape) for facts in tensor_facts(path).values())
        return
    from probekit.tensor_reading import read_tensors  # loads torch, which the caller needs anyway

    yield from (value.numel() for value in read_tensors(path).values())
