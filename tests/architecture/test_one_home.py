"""A fact has one home: names of dimensions stand where a new dimension has to be added, and nowhere else."""

import ast

import pytest

from probekit.suites.dimension_constants import VBENCH
from tests.architecture.source_tree import REPOSITORY, Module, modules, nodes

DIMENSION_FILES = 4


@pytest.mark.parametrize("dimension", VBENCH)
def test_a_dimension_of_vbench_is_named_in_four_files_at_most(dimension: str) -> None:
    """Its row, each backend, and the sprite suite's dimension or the entry of a result file of the same name."""
    named = [module.path.relative_to(REPOSITORY).as_posix() for module in modules() if dimension in _literals(module)]
    assert len(named) <= DIMENSION_FILES, named


def _literals(module: Module) -> set[str]:
    return {node.value for node in nodes(module) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
