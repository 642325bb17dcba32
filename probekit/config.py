"""Configurations: frozen models that refuse unknown keys, read from YAML files that may extend one another."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict

from probekit.config_errors import validated
from probekit.errors import UserError
from probekit.user_files.yaml_files import parse_yaml, read_yaml

M = TypeVar("M", bound=BaseModel)
Document = dict[str, Any]

Place = Callable[[Document, Path], Document]
"""Turns relative paths of one file's document, given the file's folder, into paths that hold everywhere."""

EXTENDS = "extends"


class StrictModel(BaseModel):
    """Base of every configuration and file row: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FiniteModel(StrictModel):
    """A configuration whose numbers are finite."""

    model_config = ConfigDict(allow_inf_nan=False)


def load_config(path: Path, model: type[M], overrides: Sequence[str] = (), place: Place | None = None) -> M:
    """Read a YAML file, the files it extends, and ``a.b=c`` overrides into ``model``.

    ``extends: other.yaml`` is relative to the file that says it. Mappings merge key by key, every other value
    replaces the extended one. An override's value is YAML; its path may index lists (``stages.0.steps=5``).

    Args:
        path: file to read.
        model: class of the result.
        overrides: changes of the document, as the command line gives them.
        place: function that settles paths of each file before files are merged; overrides are left as they are.

    Raises:
        UserError: The file is absent or not YAML, the files extend one another in a circle, a key is unknown (the
            message names the nearest one) or a value is not allowed (the message names what is).
    """
    document = _load_extended(path, (), place or (lambda document, folder: document))
    for override in overrides:
        _apply_override(document, override)
    return validated(model, document, str(path))


def dump_config(model: BaseModel) -> str:
    """Return ``model`` as YAML that `load_config` reads back to an equal model; keys keep the order of the class."""
    document = model.model_dump(mode="json")
    # PyYAML writes some line separators as they are, and loses them; it quotes what version 1.1 takes for a number.
    forms: tuple[Document, ...] = ({"allow_unicode": True}, {}, {"default_style": '"'})
    for form in forms:
        text = str(yaml.safe_dump(document, sort_keys=False, **form))
        if parse_yaml(text, "The configuration") == document:
            return text
    raise ValueError(f"{model} cannot be written as YAML")


def _load_extended(path: Path, chain: tuple[Path, ...], place: Place) -> Document:
    resolved = path.resolve()
    if resolved in chain:
        circle = " -> ".join(step.name for step in (*chain, resolved))
        raise UserError(f"Configuration files extend one another in a circle: {circle}.", "Remove one `extends`.")
    document = _read_document(path)
    parent = document.pop(EXTENDS, None)
    document = place(document, path.parent)
    if parent is None:
        return document
    if not isinstance(parent, str) or "\0" in parent:
        raise UserError(f"{path}: extends = {parent!r} is not a file name.", "Give one path relative to this file.")
    return _merge(_load_extended(path.parent / parent, (*chain, resolved), place), document)


def _read_document(path: Path) -> Document:
    document = read_yaml(path, what="configuration", fix=f"Give a YAML file; that folder has {_yaml_files(path)}.")
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise UserError(f"{path} holds a {type(document).__name__}, not keys and values.", "Write `key: value` lines.")
    return {str(key): value for key, value in document.items()}


def _yaml_files(path: Path) -> str:
    try:
        names = sorted(sibling.name for sibling in path.parent.glob("*.y*ml"))
    except OSError:  # a name that is too long
        names = []
    return ", ".join(names) or "no YAML file"


def _merge(base: Mapping[str, Any], top: Mapping[str, Any]) -> Document:
    merged = dict(base)
    for key, value in top.items():
        below = merged.get(key)
        merged[key] = _merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _apply_override(document: Document, override: str) -> None:
    dotted, equals, text = override.partition("=")
    if not equals or not all(dotted.split(".")):
        raise UserError(f"The override {override!r} is not of the form a.b=c.", "Write, for example, train.steps=100.")
    *parents, last = dotted.split(".")
    node: Any = document
    for name in parents:
        node = _child(node, name, override)
    _set(node, last, parse_yaml(text, f"The override {override!r}"), override)


def _child(node: Any, name: str, override: str) -> Any:
    if isinstance(node, list):
        return node[_index(node, name, override)]
    child = node.get(name)
    if not isinstance(child, dict | list):
        # An absent section, or one left empty in the file, starts here; the model judges the result.
        child = node[name] = {}
    return child


def _set(node: Any, name: str, value: Any, override: str) -> None:
    if isinstance(node, list):
        node[_index(node, name, override)] = value
    else:
        node[name] = value


def _index(items: list[Any], name: str, override: str) -> int:
    if not (name.isdecimal() and len(name) < 6 and int(name) < len(items)):
        raise UserError(
            f"The override {override!r} names {name!r} in a list of {len(items)}.",
            f"Use an index from 0 to {len(items) - 1}.",
        )
    return int(name)
