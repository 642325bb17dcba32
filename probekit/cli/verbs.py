"""Verbs that load when they are called: a program lists them without their modules."""

import importlib
from collections import UserDict
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup


class Verb(NamedTuple):
    """A verb of a program.

    Attributes:
        name: name on the command line.
        place: module and name of its function, or of the `typer.Typer` of its own verbs, as `package.module:name`.
        help: sentence in the program's list; the docstring of the function, or the help of the `typer.Typer`.
    """

    name: str
    place: str
    help: str

    def load(self) -> Any:
        """The command, with its options or its own verbs."""
        module, _, name = self.place.partition(":")
        found = vars(importlib.import_module(module))[name]
        if not isinstance(found, typer.Typer):
            single = typer.Typer(add_completion=False)
            single.command(self.name)(found)
            return typer.main.get_command(single)
        group = typer.main.get_group(found)
        group.name = self.name
        return group


class _LoadedVerbs(UserDict[str, Any]):
    """Commands by name; each loads when it is read."""

    def __getitem__(self, name: str) -> Any:
        found = super().__getitem__(name)
        if isinstance(found, Verb):
            found = self[name] = found.load()
        return found


class VerbGroup(TyperGroup):
    """A program whose help lists its verbs as they are written here, and loads none of them.

    A program is `typer.Typer(cls=...)` of a subclass that sets `verbs`.
    """

    verbs: ClassVar[Sequence[Verb]] = ()

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{**settings, "commands": _LoadedVerbs((verb.name, verb) for verb in self.verbs)})
        self._listed = {verb.name: TyperCommand(verb.name, help=verb.help) for verb in self.verbs}

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the order of `verbs`."""
        return list(self.commands)

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | None:
        """A verb as lists show it, without its options."""
        return self._listed.get(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The verb that is called, loaded, and its arguments."""
        name, listed, rest = super().resolve_command(ctx, args)
        return name, None if listed is None or name is None else self.commands[name], rest


def group_of(verbs: Iterable[Verb]) -> type[VerbGroup]:
    """The class of a program with these verbs, for `typer.Typer(cls=...)`."""
    return type("VerbGroup", (VerbGroup,), {"verbs": tuple(verbs)})
