"""One direction of imports: trainer -> probekit, no circle between probekit's sub-packages, leaves at the bottom."""

import ast
from collections import defaultdict
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.architecture.source_tree import imported_names, modules
from tests.helpers.places import REPOSITORY


def test_probekit_never_imports_trainer() -> None:
    guilty = [
        module.name
        for module in modules()
        if module.name.startswith("probekit") and any(_top(name) == "trainer" for name in imported_names(module.tree))
    ]
    assert guilty == []


def test_no_cycles_between_probekit_packages() -> None:
    _assert_no_cycle(_package_graph())


def test_top_level_modules_of_probekit_import_no_sub_package() -> None:
    packages = _sub_packages()
    guilty = [
        f"{module.name} -> {name}"
        for module in modules()
        if module.name.startswith("probekit.") and module.name.split(".")[1] not in packages
        for name in imported_names(module.tree)
        if name.startswith("probekit.") and name.split(".")[1] in packages
    ]
    assert guilty == []


def test_stages_and_objectives_do_not_know_foresight() -> None:
    guilty = [
        module.name
        for module in modules()
        if module.name.startswith(("trainer.stages", "trainer.objectives"))
        and any(name.startswith("trainer.foresight") for name in imported_names(module.tree))
    ]
    assert guilty == []


def test_a_cycle_would_be_found() -> None:
    with pytest.raises(pytest.fail.Exception, match="statistics"):
        _assert_no_cycle({"evaluation": {"statistics"}, "statistics": {"evaluation"}})


def test_imports_inside_functions_count_and_type_checking_ones_do_not() -> None:
    source = """
import typing
if typing.TYPE_CHECKING:
    from trainer.engine.loop import Loop
def f():
    import trainer.config.recipe
"""
    assert imported_names(ast.parse(source)) == {"typing", "trainer.config.recipe"}


def _top(name: str) -> str:
    return name.partition(".")[0]


def _sub_packages() -> set[str]:
    return {path.parent.name for path in (REPOSITORY / "probekit").glob("*/__init__.py")}


def _package_graph() -> dict[str, set[str]]:
    packages, graph = _sub_packages(), defaultdict(set)
    for module in modules():
        owner = module.name.split(".")[1] if module.name.startswith("probekit.") else ""
        if owner not in packages:
            continue
        for name in imported_names(module.tree):
            parts = name.split(".")
            if parts[0] == "probekit" and len(parts) > 1 and parts[1] in packages - {owner}:
                graph[owner].add(parts[1])
    return graph


def _assert_no_cycle(graph: Mapping[str, set[str]]) -> None:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"packages import one another in a circle: {' -> '.join(error.args[1])}")
