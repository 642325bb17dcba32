"""Turns pydantic's validation errors into one sentence that names the file, the key and the nearest valid key."""

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from probekit.errors import UserError
from probekit.user_files.json_files import read_json

_MOST_SHOWN = 5
_MOST_CHARACTERS = 100
Models = list[type[BaseModel]]
M = TypeVar("M", bound=BaseModel)


def read_json_model(path: Path, model: type[M], fix: str) -> M:
    """Read a JSON file into a model.

    Raises:
        UserError: if there is no such file or no JSON in it, with `fix`, or it does not fit the model.
    """
    return validated(model, read_json(path, fix=fix), str(path))


def validated(model: type[M], document: Any, source: str) -> M:
    """Hold values against a model.

    Args:
        model: class of the result.
        document: values, as a file or the command line gives them.
        source: beginning of messages, such as the path of the file.

    Raises:
        UserError: naming the key or value that does not fit.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise explain(error, model, source) from error


def explain(error: ValidationError, model: type[BaseModel], source: str) -> UserError:
    """Return the `UserError` for ``error``, which arose when ``source`` was read into ``model``."""
    details = error.errors(include_url=False)
    sentences = [_explain_one(detail, model) for detail in details[:_MOST_SHOWN]]
    if len(details) > _MOST_SHOWN:
        sentences.append((f"and {len(details) - _MOST_SHOWN} more", ""))
    problems = "; ".join(problem for problem, _ in sentences)
    fixes = dict.fromkeys(_sentence(fix) for _, fix in sentences if fix)
    return UserError(f"{source}: {problems}.", " ".join(fixes))


def _sentence(text: str) -> str:
    """A text with a capital and an end; a key at its beginning stays as it is written in files."""
    capital = text[0].upper() + text[1:] if text.split()[0].isalpha() else text
    return capital if capital.endswith("?") else f"{capital}."


def _explain_one(detail: ErrorDetails, model: type[BaseModel]) -> tuple[str, str]:
    location = detail["loc"]
    key = ".".join(str(part) for part in location)
    if detail["type"] == "extra_forbidden":
        return f"unknown key {key!r}", _nearest_key(location, model)
    if detail["type"] == "missing":
        return f"missing key {key!r}", f"add {key!r}"
    # A validator that spans several keys reports the whole section, too long to show.
    shown = "" if isinstance(detail["input"], dict) else f" = {_short(detail['input'])}"
    return f"{key or 'the whole'}{shown} is not allowed", _expected(detail["msg"])


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}..."


def _expected(message: str) -> str:
    """What would be allowed, from pydantic's message."""
    message = message.removeprefix("Value error, ").removeprefix("Input ")
    return f"it {message}" if message.startswith("should") else message


def _nearest_key(location: tuple[int | str, ...], model: type[BaseModel]) -> str:
    *parents, wrong = map(str, location)
    valid = sorted({name for owner in _owners(parents, model) for name in owner.model_fields})
    prefix = "".join(f"{part}." for part in parents)
    near = difflib.get_close_matches(wrong, valid, n=1, cutoff=0.5)
    if near:
        return f"Did you mean '{prefix}{near[0]}'?"
    elsewhere = [path for path in _all_keys(model) if path.rpartition(".")[2] == wrong]
    if elsewhere:
        return f"Did you mean '{elsewhere[0]}'?"
    return f"use one of {', '.join(valid)}" if valid else "remove it"


def _owners(parents: Sequence[str], model: type[BaseModel]) -> Models:
    """Follow an error's location to the models whose keys were allowed there.

    A part that is no field is a list index, a mapping key or the tag of a union, which narrows the choice at most.
    """
    current: Models = [model]
    for part in parents:
        fields = [owner.model_fields[part] for owner in current if part in owner.model_fields]
        named = [owner for owner in current if owner.__name__ == part]
        if fields:
            current = [found for field in fields for found in _models_in(field.annotation)]
        elif named:
            current = named
    return current


def _models_in(annotation: Any) -> Models:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for argument in get_args(annotation) for found in _models_in(argument)]


def _all_keys(model: type[BaseModel], prefix: str = "", seen: tuple[type[BaseModel], ...] = ()) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}"
        for inner in _models_in(field.annotation):
            if inner not in seen:
                yield from _all_keys(inner, f"{prefix}{name}.", (*seen, model))
