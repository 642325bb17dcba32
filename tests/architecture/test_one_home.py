"""A fact has one home: names of dimensions, words of options, formulas of flow matching."""

import ast
from collections import defaultdict
from functools import cache

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


def test_data_frames_become_files_in_one_place() -> None:
    """Digits and atomicity are its concern; a method of the frame itself writes every digit, and half a file."""
    guilty = [
        module.where(node)
        for module in modules()
        if module.name != "probekit.atomic_files"
        for node in nodes(module)
        if isinstance(node, ast.Attribute) and node.attr in {"to_csv", "to_parquet"}
    ]
    assert guilty == []


def test_the_words_of_an_option_are_listed_once() -> None:
    """A second `Literal` with the same words is a copy that can drift; the command line reads those of the library."""
    places: dict[frozenset[object], list[str]] = defaultdict(list)
    for module in modules():
        for node in nodes(module):
            if (words := _words(node)) is not None and len(words) > 1:
                places[words].append(module.where(node))
    assert {words: where for words, where in places.items() if len(where) > 1} == {}


def test_the_command_line_has_no_lists_of_words_of_its_own() -> None:
    guilty = [
        module.where(node)
        for module in modules()
        if ".cli" in module.name
        for node in nodes(module)
        if _words(node) is not None or _is_enum(node)
    ]
    assert guilty == []


def test_a_copied_list_of_words_would_be_found() -> None:
    one, other = (ast.parse(text, mode="eval").body for text in ("Literal['a', 'b']", "typing.Literal['b', 'a']"))
    assert _words(one) == _words(other) == {"a", "b"}
    assert _words(ast.parse("tuple[1]", mode="eval").body) is None


def _is_enum(node: ast.AST) -> bool:
    return isinstance(node, ast.ClassDef) and any(ast.unparse(base).endswith("Enum") for base in node.bases)


def _words(node: ast.AST) -> frozenset[object] | None:
    """The words of a `Literal`; None for anything else."""
    if not isinstance(node, ast.Subscript) or ast.unparse(node.value).rpartition(".")[2] != "Literal":
        return None
    listed = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    return frozenset(one.value for one in listed if isinstance(one, ast.Constant))


def _is_doubling(call: ast.Call) -> bool:
    listed = call.args[0].elts if call.args and isinstance(call.args[0], ast.List) else []
    return ast.unparse(call.func) == "torch.cat" and len(listed) == 2 and ast.dump(listed[0]) == ast.dump(listed[1])


@cache
def _literals(module: Module) -> set[str]:
    return {node.value for node in nodes(module) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
