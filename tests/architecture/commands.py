"""The commands of a typer app, as lines of text: names, types or choices, bounds, defaults."""

import inspect
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import typer
from typer.core import TyperGroup


def command_lines(app: typer.Typer, name: str) -> list[str]:
    """Every command of an app with its parameters, each on a line, in an order that does not depend on the code's."""
    return list(_lines(typer.main.get_command(app), name))


def _lines(command: Any, path: str) -> Iterator[str]:
    if isinstance(command, TyperGroup):
        for name in sorted(command.commands):
            yield from _lines(command.commands[name], f"{path} {name}")
        return
    yield path
    hints = get_type_hints(inspect.unwrap(command.callback), include_extras=True)
    given = [one for one in command.params if one.name in hints]
    arguments = [one for one in given if one.param_type_name == "argument"]
    options = sorted((one for one in given if one.param_type_name == "option"), key=lambda one: one.opts)
    for one in (*arguments, *options):
        yield f"    {_parameter(one, hints[one.name])}"


def _parameter(parameter: Any, hint: Any) -> str:
    is_option = parameter.param_type_name == "option"
    names = "/".join((*parameter.opts, *parameter.secondary_opts)) if is_option else parameter.name.upper()
    kind, described = get_args(hint) if get_origin(hint) is Annotated else (hint, None)
    return f"{names}: {_kind(kind)}{_bounds(described)}{_default(parameter)}"


def _kind(kind: Any) -> str:
    """Choices, or the name of a type; whether it may be left out says the default."""
    parts = [part for part in get_args(kind) if part is not NoneType]
    if get_origin(kind) in (Union, UnionType):
        return "|".join(map(_kind, parts))
    if get_origin(kind) is Literal:
        return "|".join(parts)
    if get_origin(kind) in (list, tuple):
        return f"{' '.join(map(_kind, parts))}{' ...' if get_origin(kind) is list else ''}"
    return str(kind.__name__)


def _bounds(described: Any) -> str:
    low, high = (None, None) if described is None else (described.min, described.max)
    return "" if low is None and high is None else f" {_end(low)}..{_end(high)}"


def _end(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _default(parameter: Any) -> str:
    if parameter.required:
        return ", required"
    default = parameter.default
    return "" if default is None else f" = {default}"
