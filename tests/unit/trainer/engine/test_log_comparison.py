"""The sprite recipes train as their reference logs under `tests/golden/training` say, on any CPU."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from probekit.errors import UserError
from tests.helpers.reference_runs import GOLDEN, RUNS, perform, prepare, write_log
from trainer.cli import app
from trainer.engine.log_comparison import compare_logs

TOLERANCE = "0.001"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reference")
    prepare(folder)
    return folder


@pytest.mark.long
@pytest.mark.parametrize("name", RUNS)
def test_a_recipe_trains_as_its_reference_log_says(name: str, root: Path, tmp_path: Path) -> None:
    write_log(tmp_path / "metrics.jsonl", perform(name, root))
    arguments = ["compare-logs", str(tmp_path), str(GOLDEN / f"{name}.jsonl"), "--rtol", TOLERANCE]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output


def test_every_stage_has_a_reference_log() -> None:
    assert {path.stem for path in GOLDEN.glob("*.jsonl")} == RUNS.keys()


def test_a_number_that_is_a_little_off_is_a_difference(tmp_path: Path) -> None:
    """A rate that is off by a hundredth, though by no more than 1e-5."""
    text, rate = (GOLDEN / "dmd_foresight.jsonl").read_text(), '"critic_learning_rate": 0.001'
    assert rate in text
    (tmp_path / "metrics.jsonl").write_text(text.replace(rate, f"{rate}01", 1))
    assert "critic_learning_rate" in (compare_logs(tmp_path, GOLDEN / "dmd_foresight.jsonl", 1e-3) or "")


def test_a_missing_number_or_step_is_a_difference(tmp_path: Path) -> None:
    reference = GOLDEN / "dmd_foresight.jsonl"
    lines = reference.read_text().splitlines()
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines[:-1]) + "\n")
    assert "is not in" in (compare_logs(tmp_path, reference, 1e-3) or "")
    (tmp_path / "metrics.jsonl").write_text("{broken\n")
    with pytest.raises(UserError, match="line 1 is not JSON"):
        compare_logs(tmp_path, reference, 1e-3)
