"""The project's own source as syntax trees, for the tests of its architecture."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.helpers.places import REPOSITORY

PACKAGES = ("probekit", "trainer")


class Module(NamedTuple):
    name: str
    path: Path
    text: str
    tree: ast.Module

    def where(self, node: ast.expr | ast.stmt) -> str:
        return f"{self.path.relative_to(REPOSITORY)}:{node.lineno}"


def modules() -> tuple[Module, ...]:
    return read_modules(PACKAGES)


@cache
def read_modules(folders: tuple[str, ...]) -> tuple[Module, ...]:
    paths = [path for folder in folders for path in sorted((REPOSITORY / folder).rglob("*.py"))]
    return tuple(_read(path) for path in paths)


def _read(path: Path) -> Module:
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    text = path.read_text(encoding="utf-8")
    return Module(name, path, text, ast.parse(text))


@cache
def nodes(module: Module) -> tuple[ast.AST, ...]:
    """Every node of a module's tree, gathered once however many rules ask."""
    return tuple(ast.walk(module.tree))


def imported_names(tree: ast.Module) -> set[str]:
    """Full names of everything imported, in functions too; what only type checkers import is left out.

    ``from a.b import c`` counts as a.b.c: whether c is a module or a name inside one, the prefix tells the package.
    """
    found: set[str] = set()
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        if isinstance(node, ast.If) and _is_type_checking(node.test):
            pending.extend(node.orelse)
        else:
            pending.extend(_statements_in(node))
    return found


_BLOCKS = ("body", "orelse", "handlers", "finalbody", "cases")


def _statements_in(node: ast.AST) -> Iterator[ast.AST]:
    """Statements inside one; an import is never inside an expression, so those are not entered."""
    for block in _BLOCKS:
        yield from vars(node).get(block, ())


def _is_type_checking(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )
