"""What must start fast must not load torch."""

import ast
import re
import subprocess
import sys

import pytest

from tests.architecture.source_tree import modules
from tests.helpers.places import REPOSITORY

HEAVY = ("torch", "torchvision", "transformers", "diffusers", "lpips")
REPORT = f"import sys; print(sorted(set({HEAVY!r}) & set(sys.modules)))"
HELP = """
from typer.testing import CliRunner
from {module} import app
result = CliRunner().invoke(app, {arguments!r})
assert result.exit_code == 0, result.output
"""


LIGHT = {
    "probekit",
    "probekit.config",
    "probekit.evaluation.aggregation",
    "probekit.evaluation.vbench.official.scorers",
    "probekit.evaluation.vbench.weights",
    "probekit.media.video_files",
    "probekit.models",
    "probekit.rollout",
    "probekit.sprite_world",
    "probekit.sprite_world.episodes",
    "probekit.statistics.paired_bootstrap",
    "probekit.workflows.export_vbench",
    "probekit.workflows.import_videos",
    "trainer",
}
LIGHT_PACKAGES = ("probekit.run_folder", "probekit.suites", "probekit.statistics", "trainer.config")
CLAIMS = re.compile(r"torch-free(?! until)", re.IGNORECASE)
NOT_TORCH = """
import sys
sys.modules.update(torch=None, torchvision=None)  # importing either fails from here on
import pytest
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "tests/unit/test_seeding.py"]))
"""


def light_modules() -> list[str]:
    """What is listed above, and every module whose docstring says that it is torch-free."""
    claiming = {module.name for module in modules() if CLAIMS.search(ast.get_docstring(module.tree) or "")}
    inside = {module.name for module in modules() if module.name.startswith(LIGHT_PACKAGES)}
    return sorted(LIGHT | claiming | inside)


@pytest.mark.long
def test_modules_load_nothing_heavy() -> None:
    """All in one process: only the first that loads something heavy is named."""
    code = "\n".join(
        f"import {name}\nassert not (found := set({HEAVY!r}) & set(sys.modules)), ({name!r}, found)"
        for name in light_modules()
    )
    assert _run(f"import sys\n{code}") == "[]"


@pytest.mark.long
def test_a_test_file_without_torch_starts_without_torch() -> None:
    result = subprocess.run([sys.executable, "-c", NOT_TORCH], cwd=REPOSITORY, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


PROGRAMS = ("probekit.cli.main", "trainer.cli")
SLOW_TO_LOAD = {"av", "jinja2", "matplotlib", "numpy", "pandas", "pyarrow", "pydantic", "safetensors", "scipy", "yaml"}
LIST_OF_VERBS = {
    "probekit", "probekit.children", "probekit.cli", "probekit.cli.main", "probekit.cli.terminal", "probekit.cli.verbs",
    "probekit.threads", "probekit.torchvision_operators", "probekit.visible_text", "trainer", "trainer.cli",
}  # fmt: skip
"""All of this project that the help of a program may load: of its verbs, none."""


@pytest.mark.parametrize("module", PROGRAMS)
def test_help_of_a_program_loads_no_verb_and_none_of_their_libraries(module: str) -> None:
    loaded = _modules_after(module, ["--help"])
    assert {name for name in loaded if name.split(".")[0] in ("probekit", "trainer")} <= LIST_OF_VERBS
    assert loaded & {*HEAVY, *SLOW_TO_LOAD} == set()


@pytest.mark.parametrize(("module", "verb"), [("probekit.cli.main", "weights"), ("trainer.cli", "sweep")])
def test_a_verb_is_the_only_one_to_load(module: str, verb: str) -> None:
    package = "probekit.cli" if module == "probekit.cli.main" else "trainer.cli"
    shared = {"errors", "main", "options", "terminal", "verbs"}
    loaded = {name for name in _modules_after(module, [verb, "--help"]) if name.startswith(f"{package}.")}
    assert loaded - {f"{package}.{name}" for name in shared} == {f"{package}.{verb}"}


def _modules_after(module: str, arguments: list[str]) -> set[str]:
    return set(_run(f"{HELP.format(module=module, arguments=arguments)}\nimport sys; print(*sys.modules)", "").split())


def test_a_heavy_import_would_be_seen() -> None:
    assert _run("import sys, types; sys.modules['torch'] = types.ModuleType('torch')") == "['torch']"


def _run(code: str, report: str = REPORT) -> str:
    command = [sys.executable, "-c", f"{code}\n{report}"]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()[-1]
