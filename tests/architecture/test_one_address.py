"""A name has one address: it is imported from the module that defines it, never through another that imports it."""

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.source_tree import Module, modules, nodes, read_modules

OTHERS = ("tests", "benchmarks")


@pytest.mark.long
def test_a_name_is_imported_from_where_it_is_defined() -> None:
    known = {module.name: module for module in modules()}
    names = {name: set(defined_names(module.tree)) for name, module in known.items()}
    guilty = [
        f"{module.where(node)}: {name} of {node.module}"
        for module in (*modules(), *read_modules(OTHERS))
        for node, name in _imports(module)
        if node.module in known and name not in names[node.module] and f"{node.module}.{name}" not in known
    ]
    assert guilty == []


def test_no_module_lists_names_of_others_as_its_own() -> None:
    guilty = [
        f"{module.name}: {name}"
        for module in modules()
        for name in _listed(module.tree)
        if name not in set(defined_names(module.tree))
    ]
    assert guilty == []


def test_a_name_handed_on_would_be_found() -> None:
    handing_on = ast.parse("from a import x\n__all__ = ['x', 'y']\ny: int = 0\nif x:\n    def z(): ...\n")
    assert set(defined_names(handing_on)) == {"__all__", "y", "z"}
    assert _listed(handing_on) == ["x", "y"]


def defined_names(tree: ast.Module) -> Iterator[str]:
    """Names that a module binds itself at its top level; imports do not count."""
    pending: list[ast.stmt] = list(tree.body)
    while pending:
        node = pending.pop()
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name
            case ast.Assign() | ast.AnnAssign():
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                yield from (name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name))
            case ast.If() | ast.Try():
                pending.extend((*node.body, *node.orelse))


def _imports(module: Module) -> Iterator[tuple[ast.ImportFrom, str]]:
    for node in nodes(module):
        if isinstance(node, ast.ImportFrom):
            yield from ((node, alias.name) for alias in node.names)


def _listed(tree: ast.Module) -> list[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names: list[str] = ast.literal_eval(node.value)
            return names
    return []
