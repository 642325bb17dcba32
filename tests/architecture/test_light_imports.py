"""What must start fast must not load torch."""

import subprocess
import sys

import pytest

from tests.architecture.source_tree import REPOSITORY

HEAVY = ("torch", "torchvision", "transformers", "diffusers", "lpips")
REPORT = f"import sys; print(sorted(set({HEAVY!r}) & set(sys.modules)))"
HELP = """
from typer.testing import CliRunner
from {module} import app
result = CliRunner().invoke(app, {arguments!r})
assert result.exit_code == 0, result.output
"""


@pytest.mark.parametrize(
    "module",
    [
        "probekit",
        "probekit.config",
        "probekit.media.video_files",
        "probekit.statistics",
        "probekit.statistics.paired_bootstrap",
        "probekit.run_folder.score_table",
        "probekit.evaluation.vbench.static_filter",
        "probekit.suites.registry",
        "probekit.workflows.export_vbench",
        "probekit.workflows.import_videos",
        "probekit.run_folder.manifest",
        "probekit.run_folder.protocol_card",
        "probekit.evaluation.aggregation",
        "probekit.evaluation.vbench.weights",
        "probekit.evaluation.vbench.official.scorers",
        "probekit.sprite_world",
        "probekit.sprite_world.episodes",
        "trainer",
    ],
)
def test_import_loads_nothing_heavy(module: str) -> None:
    assert _run(f"import {module}") == "[]"


@pytest.mark.parametrize("module", ["probekit.cli.main", "trainer.cli"])
def test_help_loads_nothing_heavy(module: str) -> None:
    assert _run(HELP.format(module=module, arguments=["--help"])) == "[]"


def test_a_heavy_import_would_be_seen() -> None:
    assert _run("import sys, types; sys.modules['torch'] = types.ModuleType('torch')") == "['torch']"


def _run(code: str) -> str:
    command = [sys.executable, "-c", f"{code}\n{REPORT}"]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()[-1]
