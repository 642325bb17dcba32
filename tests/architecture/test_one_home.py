"""A fact has one home: names of dimensions, formulas of flow matching."""

import ast

import pytest

from probekit.diffusion.flow_matching import TIMESTEPS
from probekit.suites.dimension_constants import VBENCH
from tests.architecture.source_tree import REPOSITORY, Module, modules, nodes

DIMENSION_FILES = 4
FORMULAS = "probekit.diffusion.flow_matching"
NOISE_ROOMS = (
    "probekit.diffusion",
    "probekit.models",
    "probekit.rollout",
    "probekit.probing",
    "trainer.config",
    "trainer.stages",
)


@pytest.mark.parametrize("dimension", VBENCH)
def test_a_dimension_of_vbench_is_named_in_four_files_at_most(dimension: str) -> None:
    """Its row, each backend, and the sprite suite's dimension or the entry of a result file of the same name."""
    named = [module.path.relative_to(REPOSITORY).as_posix() for module in modules() if dimension in _literals(module)]
    assert len(named) <= DIMENSION_FILES, named


def test_the_number_of_timesteps_has_one_home() -> None:
    guilty = [
        module.where(node)
        for module in modules()
        if module.name.startswith(NOISE_ROOMS) and module.name not in {FORMULAS, "probekit.diffusion.few_step"}
        for node in nodes(module)
        if isinstance(node, ast.Constant) and type(node.value) in (int, float) and node.value == TIMESTEPS
    ]
    assert guilty == []


def test_guidance_doubles_a_batch_in_one_place() -> None:
    """No other module concatenates a tensor with itself or mixes two flows by a scale of its own."""
    guilty = [
        module.where(node)
        for module in modules()
        if module.name != FORMULAS
        for node in nodes(module)
        if isinstance(node, ast.Call) and (_is_doubling(node) or "classifier_free_guidance" in ast.unparse(node.func))
    ]
    assert guilty == []


def _is_doubling(call: ast.Call) -> bool:
    listed = call.args[0].elts if call.args and isinstance(call.args[0], ast.List) else []
    return ast.unparse(call.func) == "torch.cat" and len(listed) == 2 and ast.dump(listed[0]) == ast.dump(listed[1])


def _literals(module: Module) -> set[str]:
    return {node.value for node in nodes(module) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
