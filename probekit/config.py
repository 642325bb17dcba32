"""Configurations: frozen models that refuse unknown keys, read from YAML files that may extend one another."""

import re
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from probekit.config_errors import explain
from probekit.errors import UserError

M = TypeVar("M", bound=BaseModel)
Document = dict[str, Any]

EXTENDS = "extends"

_FLOAT = re.compile(
    r"""^(?:[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?
    |[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$""",
    re.VERBOSE,
)
_BOOL = re.compile("^(?:true|True|TRUE|false|False|FALSE)$")


class StrictModel(BaseModel):
    """Base of every configuration and file row: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def load_config(path: Path, model: type[M], overrides: Sequence[str] = ()) -> M:
    """Read a YAML file, the files it extends, and ``a.b=c`` overrides into ``model``.

    ``extends: other.yaml`` is relative to the file that says it. Mappings merge key by key, every other value
    replaces the extended one. An override's value is YAML; its path may index lists (``stages.0.steps=5``).

    Raises:
        UserError: The file is absent or not YAML, the files extend one another in a circle, a key is unknown (the
            message names the nearest one) or a value is not allowed (the message names what is).
    """
    document = _load_extended(path, ())
    for override in overrides:
        _apply_override(document, override)
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise explain(error, model, str(path)) from error


def dump_config(model: BaseModel) -> str:
    """Return ``model`` as YAML that `load_config` reads back to an equal model; keys keep the order of the class."""
    document = model.model_dump(mode="json")
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    if yaml.safe_load(text) == document:
        return text
    return yaml.safe_dump(document, sort_keys=False)  # PyYAML writes some line separators as they are, and loses them


class _Loader(yaml.SafeLoader):
    """YAML without the surprises of version 1.1: 1e-4 is a number, yes and off are words, a key stands once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        repeated = sorted({str(key) for key in keys if keys.count(key) > 1})
        if repeated:
            raise yaml.constructor.ConstructorError(None, None, f"repeated key {repeated[0]!r}", node.start_mark)
        return super().construct_mapping(node, deep)


def _use_yaml_12_scalars() -> None:
    replaced = {"tag:yaml.org,2002:float", "tag:yaml.org,2002:bool"}
    inherited = yaml.SafeLoader.yaml_implicit_resolvers
    _Loader.yaml_implicit_resolvers = {
        first: [rule for rule in rules if rule[0] not in replaced] for first, rules in inherited.items()
    }
    _Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))
    _Loader.add_implicit_resolver("tag:yaml.org,2002:bool", _BOOL, list("tTfF"))


_use_yaml_12_scalars()


def _parse(text: str, source: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise UserError(f"{source} is not valid YAML: {' '.join(str(error).split())}.", "mend that line.") from error


def _load_extended(path: Path, chain: tuple[Path, ...]) -> Document:
    resolved = path.resolve()
    if resolved in chain:
        circle = " -> ".join(step.name for step in (*chain, resolved))
        raise UserError(f"Configuration files extend one another in a circle: {circle}.", "remove one `extends`.")
    document = _read_document(path)
    if EXTENDS not in document:
        return document
    parent = document.pop(EXTENDS)
    if not isinstance(parent, str):
        raise UserError(f"{path}: extends = {parent!r} is not a file name.", "give one path relative to this file.")
    return _merge(_load_extended(path.parent / parent, (*chain, resolved)), document)


def _read_document(path: Path) -> Document:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        present = sorted(sibling.name for sibling in path.parent.glob("*.y*ml")) or ["no YAML file"]
        problem = f"Cannot read the configuration {path}: {_reason(error)}."
        raise UserError(problem, f"give a YAML file; that folder has {', '.join(present)}.") from error
    document = _parse(text, str(path))
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise UserError(f"{path} holds a {type(document).__name__}, not keys and values.", "write `key: value` lines.")
    return document


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return str(error.strerror).lower() if isinstance(error, OSError) else "it is not UTF-8 text"


def _merge(base: Mapping[str, Any], top: Mapping[str, Any]) -> Document:
    merged = dict(base)
    for key, value in top.items():
        below = merged.get(key)
        merged[key] = _merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _apply_override(document: Document, override: str) -> None:
    dotted, equals, text = override.partition("=")
    if not equals or not all(dotted.split(".")):
        raise UserError(f"The override {override!r} is not of the form a.b=c.", "write, for example, train.steps=100.")
    *parents, last = dotted.split(".")
    node: Any = document
    for name in parents:
        node = _child(node, name, override)
    _set(node, last, _parse(text, f"The override {override!r}"), override)


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
    if not name.isdecimal() or int(name) >= len(items):
        raise UserError(
            f"The override {override!r} names {name!r} in a list of {len(items)}.",
            f"use an index from 0 to {len(items) - 1}.",
        )
    return int(name)


def validated(model: type[M], document: Document, source: str) -> M:
    """Check values that came from elsewhere than a file.

    Raises:
        UserError: naming the value that is not allowed.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise explain(error, model, source) from error
