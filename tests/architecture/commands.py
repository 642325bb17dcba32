"""The commands of a typer app, as lines of text: names, types or choices, defaults."""

from collections.abc import Iterator
from typing import Any

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
    parameters = [one for one in command.params if one.name != "help"]
    arguments = [one for one in parameters if one.param_type_name == "argument"]
    options = sorted((one for one in parameters if one.param_type_name == "option"), key=lambda one: one.opts)
    for one in (*arguments, *options):
        yield f"    {_parameter(one)}"


def _parameter(parameter: Any) -> str:
    is_option = parameter.param_type_name == "option"
    names = "/".join((*parameter.opts, *parameter.secondary_opts)) if is_option else parameter.name.upper()
    several = " ..." if parameter.multiple or parameter.nargs != 1 else ""
    return f"{names}{several}: {_kind(parameter.type)}{_default(parameter)}"


def _kind(kind: Any) -> str:
    """Choices, bounds, or the name of a type."""
    if choices := getattr(kind, "choices", None):
        return "|".join(choices)
    if inner := getattr(kind, "types", None):
        return " ".join(map(_kind, inner))
    low, high = (getattr(kind, name, None) for name in ("min", "max"))
    above, below = ("" if end is None else f"{end:g}" for end in (low, high))
    return f"{kind.name} {above}..{below}" if above or below else str(kind.name)


def _default(parameter: Any) -> str:
    if parameter.required:
        return ", required"
    default = parameter.default
    if default is None or default == () or default == []:
        return ""
    return f" = {default}"
