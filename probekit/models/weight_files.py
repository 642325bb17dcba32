"""Weights of one Wan transformer out of files of every kind in use; no file runs code."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from torch import Tensor

from probekit.errors import UserError
from probekit.models.weight_faults import refuse_partial_weights, shown
from probekit.models.weight_names import is_original_layout, to_diffusers, unwrapped
from probekit.models.weight_sets import WeightSet, chosen_set, weight_map
from probekit.tensor_reading import check_stored, read_tensors

BRANCHES: Final = ("generator", "model", "generator_ema", "critic")
"""Top-level keys of the official trainers' files, in their loaders' order of precedence."""
AUXILIARY: Final = ("mirai_projector", "foresight_dim_proj")
"""Trained beside the generator in Video-Mirai's files; inference does not need them."""
_FLAT: Final = (
    "generator",
    "generator_ema",
    "critic",
    "ema",
    "ema_model",
    "student",
    "teacher",
    "fake_score",
    "real_score",
)
"""First parts of names that tell several models of one flat file apart; `model.` is a wrapper."""


class WeightFile(NamedTuple):
    """Named weights of one model.

    Attributes:
        weights: weights by diffusers' names, in the file's dtypes.
        layout: names that the file itself uses.
        branch: top-level key that the weights came from; None for a bare dictionary.
        branches: top-level keys that hold weights.
        unknown: unwrapped names that no text-to-video Wan has.
        chosen: the files that were read, and the names of those beside them that were not.
    """

    weights: dict[str, Tensor]
    layout: str
    branch: str | None
    branches: tuple[str, ...]
    unknown: tuple[str, ...]
    chosen: WeightSet

    @property
    def left_out(self) -> list[str]:
        """What a reader should hear of: other sets of weights in the same place, with the option that picks one."""
        others = [name for name in self.branches if name != self.branch]
        lines = [f"branch {self.branch}; not {', '.join(others)} (--branch)"] if others else []
        if self.chosen.unread:
            lines.append(f"{self.chosen.name}; not {', '.join(self.chosen.unread)} (--weights)")
        return lines


def read_weight_file(path: Path, branch: str | None = None, weights: str | None = None) -> WeightFile:
    """Read a `.pt`/`.pth` or `.safetensors` file, or the set of weights of a folder.

    Args:
        path: file or folder.
        branch: top-level key to take; None follows the official order generator, model, generator_ema.
        weights: name of the file or index to read, in a folder with several; None is the one that diffusers opens.

    Raises:
        UserError: if the file cannot be read without running code, holds no weights, or lacks the branch.
    """
    if path.is_dir():
        chosen = chosen_set(path, weights)
        content = read_set(chosen)
    elif weights is not None:
        raise UserError(f"{path} is one file, so that --weights has nothing to choose.", "Leave --weights out.")
    else:
        chosen = WeightSet(path.name, (path,))
        content = read_tensors(path)
    source = str(path / chosen.name if path.is_dir() else path)
    branches = _branches(content)
    taken = _taken(source, tuple(branches), branch)
    state = branches[taken] if taken is not None else content
    return _in_diffusers_names(source, _tensors(source, taken, state), taken, tuple(branches), chosen)


def read_set(chosen: WeightSet) -> Mapping[Any, Any]:
    """What the files of a set hold together.

    Raises:
        UserError: if a file cannot be read, or the shards are not those of their index.
    """
    merged: dict[Any, Any] = {}
    for file in chosen.files:
        part = read_tensors(file)
        twice = [str(name) for name in part if name in merged]
        if twice:
            raise UserError(f"{file} holds tensors that another shard holds too: {shown(twice)}.", _SHARDS)
        merged.update(part)
    if chosen.index_file is not None:
        stated = weight_map(chosen.index_file)
        wrong = [name for name in stated if name not in merged] + [str(name) for name in merged if name not in stated]
        if wrong:
            raise UserError(f"{chosen.index_file} is not the index of its shards: {shown(wrong)}.", _SHARDS)
    return merged


_SHARDS: Final = "Copy or download the folder again, into an empty one."


def _branches(content: Mapping[Any, Any]) -> dict[str, Mapping[Any, Any]]:
    """Models of a file by name: dictionaries that hold tensors, or flat names that begin with a model's name."""
    nested = {
        str(key): value
        for key, value in content.items()
        if key not in AUXILIARY
        and isinstance(value, Mapping)
        and any(isinstance(one, Tensor) for one in value.values())
    }
    if nested:
        return nested
    flat: dict[str, dict[str, Any]] = {}
    for name, value in content.items():
        first, _, rest = str(name).partition(".")
        if first not in _FLAT:
            return {}
        flat.setdefault(first, {})[rest] = value
    return dict(flat)


def _holds_tensors(value: Any) -> bool:
    return isinstance(value, Mapping) and any(isinstance(one, Tensor) for one in value.values())


def _taken(source: str, branches: tuple[str, ...], asked: str | None) -> str | None:
    if asked is not None and asked not in branches:
        raise UserError(f"{source} has no branch {asked!r}.", f"It has: {', '.join(branches) or 'no branches'}.")
    known = next((key for key in BRANCHES if key in branches), None)
    chosen = asked or known or (branches[0] if len(branches) == 1 else None)
    if chosen is None and branches:
        raise UserError(f"{source} has branches {', '.join(branches)}, none of which is known.", "Name one: --branch.")
    return chosen


def _tensors(source: str, branch: str | None, state: Mapping[Any, Any]) -> dict[str, Tensor]:
    tensors = {name: value for name, value in state.items() if isinstance(name, str) and isinstance(value, Tensor)}
    others = [str(name) for name in state if name not in tensors]
    if not tensors or others:
        where = source if branch is None else f"{source}, branch {branch},"
        what = f"; it holds {shown(others)}" if others else ""
        raise UserError(f"{where} does not hold named tensors alone{what}.", "Give a file of model weights.")
    for name, tensor in tensors.items():
        check_stored(source, name, tensor)
    refuse_partial_weights(source, tensors)
    return tensors


def _in_diffusers_names(
    source: str, state: Mapping[str, Tensor], branch: str | None, branches: tuple[str, ...], chosen: WeightSet
) -> WeightFile:
    plain = {unwrapped(name): value for name, value in state.items()}
    if len(plain) < len(state):
        raise UserError(f"{source}: several names are the same once wrappers are removed.", "Export the weights again.")
    if not is_original_layout(plain):
        return WeightFile(plain, "diffusers", branch, branches, (), chosen)
    renamed = {name: to_diffusers(name) for name in plain}
    known = {new: plain[old] for old, new in renamed.items() if new is not None}
    unknown = tuple(old for old, new in renamed.items() if new is None)
    return WeightFile(known, "original", branch, branches, unknown, chosen)
