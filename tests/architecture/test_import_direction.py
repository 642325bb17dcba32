"""One direction of imports: trainer -> probekit, no circle between probekit's sub-packages, leaves at the bottom."""

import ast
from collections import defaultdict
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.architecture.source_tree import imported_names, modules
from tests.helpers.places import REPOSITORY

# Rooms are packages, those of evaluation one by one, and files of evaluation that several rooms use. A module at the
# root of probekit may be imported by all and imports no room but the ground floor, which knows nothing but errors;
# the two `cli` and the modules at trainer's root may import all.
GROUND_FLOOR = "user_files"
PROGRAMS = {"cli", "trainer.cli"}
MAY_IMPORT: Mapping[str, set[str]] = {
    GROUND_FLOOR: set(),
    "media": set(),
    "sprite_world": set(),
    "diffusion": set(),
    "run_folder": {"media"},
    "suites": {"run_folder", "sprite_world"},
    "models": {"diffusion", "sprite_world"},
    "rollout": {"diffusion", "media", "models", "run_folder", "sprite_world", "suites"},
    "evaluation.scorer": {"sprite_world"},
    "evaluation.clips": set(),
    "evaluation.weighting": set(),
    "evaluation.aggregation": {"run_folder", "suites"},
    "evaluation.sprite": {"evaluation.scorer", "media", "run_folder", "sprite_world"},
    "evaluation.vbench": {
        "evaluation.clips", "evaluation.scorer", "evaluation.weighting", "media", "run_folder", "suites",
    },
    "evaluation.reference": {"media", "run_folder"},
    "evaluation.interchange": {"media", "run_folder", "suites"},
    "evaluation.long_horizon": {"evaluation.vbench", "media"},
    "evaluation.natural": {"evaluation.long_horizon", "evaluation.scorer", "evaluation.vbench"},
    "evaluation.scoring": {
        "evaluation.clips", "evaluation.natural", "evaluation.scorer", "evaluation.sprite", "evaluation.vbench",
        "media", "run_folder", "suites",
    },
    "statistics": {"evaluation.aggregation", "evaluation.weighting", "run_folder", "suites"},
    "probing": {
        "diffusion", "evaluation.reference", "media", "models", "rollout", "run_folder", "sprite_world", "statistics",
    },
    "live": {"media", "models", "probing", "reporting", "rollout", "run_folder", "suites"},
    "reporting": {
        "evaluation.aggregation", "evaluation.interchange", "evaluation.long_horizon", "evaluation.weighting", "media",
        "probing", "run_folder", "statistics", "suites",
    },
    "workflows": {
        "evaluation.aggregation", "evaluation.clips", "evaluation.interchange", "evaluation.long_horizon",
        "evaluation.natural", "evaluation.reference", "evaluation.scorer", "evaluation.scoring", "evaluation.sprite",
        "evaluation.vbench", "evaluation.weighting", "live", "media", "models", "probing", "reporting", "rollout",
        "run_folder", "statistics", "suites",
    },
    "trainer.config": set(),
    "trainer.distributed": {"trainer.config", "trainer.errors"},
    "trainer.data": {"trainer.distributed"},
    "trainer.engine": {"trainer.config", "trainer.distributed", "trainer.watch"},
    "trainer.objectives": {"trainer.engine"},
    "trainer.foresight": {"trainer.config", "trainer.distributed", "trainer.engine", "trainer.objectives"},
    "trainer.stages": {
        "trainer.config", "trainer.data", "trainer.distributed", "trainer.engine", "trainer.errors",
        "trainer.objectives",
    },
    "trainer.commands": {"trainer.config", "trainer.data", "trainer.engine", "trainer.planning"},
    "trainer.sweeps": {
        "trainer.commands", "trainer.config", "trainer.engine", "trainer.model_card", "trainer.run_progress",
    },
    "trainer.reproduction": {
        "trainer.commands", "trainer.config", "trainer.data", "trainer.engine", "trainer.planning",
        "trainer.run_progress", "trainer.sweeps",
    },
    "trainer.claims": {"trainer.commands", "trainer.config", "trainer.reproduction"},
    "trainer.planning": {
        "trainer.config", "trainer.distributed", "trainer.plugins", "trainer.stages",
    },
}  # fmt: skip


def test_probekit_never_imports_trainer() -> None:
    guilty = [
        module.name
        for module in modules()
        if module.name.startswith("probekit") and any(_top(name) == "trainer" for name in imported_names(module.tree))
    ]
    assert guilty == []


def test_no_cycles_between_rooms() -> None:
    _assert_no_cycle(_graph())


def test_each_room_imports_only_what_it_may() -> None:
    """Rooms of the trainer are held against one another only: all of them may import probekit."""
    graph = _graph()
    unlisted = {
        room for room in graph if room not in MAY_IMPORT and room not in PROGRAMS and not _is_root_of_trainer(room)
    }
    assert unlisted == set(), "a new room needs a line in MAY_IMPORT"
    guilty = {
        f"{room} -> {other}"
        for room, allowed in MAY_IMPORT.items()
        for other in graph[room] - allowed - {GROUND_FLOOR}
        if room.startswith("trainer.") <= other.startswith("trainer.")
    }
    assert guilty == set()


def test_top_level_modules_of_probekit_import_no_sub_package() -> None:
    packages = _sub_packages()
    guilty = [
        f"{module.name} -> {name}"
        for module in modules()
        if module.name.startswith("probekit.") and module.name.split(".")[1] not in packages
        for name in imported_names(module.tree)
        if name.startswith("probekit.") and name.split(".")[1] in packages - {GROUND_FLOOR}
    ]
    assert guilty == []


def test_the_ground_floor_imports_nothing_of_the_house_but_errors() -> None:
    guilty = {
        name
        for module in modules()
        if module.name.startswith(f"probekit.{GROUND_FLOOR}")
        for name in imported_names(module.tree)
        if name.startswith("probekit.") and not name.startswith((f"probekit.{GROUND_FLOOR}", "probekit.errors"))
    }
    assert guilty == set()


def test_only_plugins_knows_foresight() -> None:
    knowing = [
        module.name
        for module in modules()
        if not module.name.startswith("trainer.foresight")
        and any(name.startswith("trainer.foresight") for name in imported_names(module.tree))
    ]
    assert knowing == ["trainer.plugins"]


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


def _is_root_of_trainer(room: str) -> bool:
    return (REPOSITORY / room.replace(".", "/")).with_suffix(".py").is_file() and room.startswith("trainer.")


def _room(name: str) -> str | None:
    """The room of a module or of a name in it; None for probekit's root."""
    parts = name.split(".")
    if parts[0] == "trainer":
        return ".".join(parts[:2]) if len(parts) > 1 else None
    if parts[0] != "probekit" or len(parts) < 2 or parts[1] not in _sub_packages():
        return None
    if parts[1] == "evaluation":
        return ".".join(parts[1:3]) if len(parts) > 2 else None
    return parts[1]


def _graph() -> dict[str, set[str]]:
    graph: dict[str, set[str]] = defaultdict(set)
    for module in modules():
        owner = _room(module.name)
        if owner is not None:
            graph[owner] |= {room for name in imported_names(module.tree) if (room := _room(name))} - {owner}
    return graph


def _assert_no_cycle(graph: Mapping[str, set[str]]) -> None:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"packages import one another in a circle: {' -> '.join(error.args[1])}")
