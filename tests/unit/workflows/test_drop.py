"""`probekit drop` of single runs and of several training runs, from scored folders to the table."""

import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner

from probekit.cli.main import app
from probekit.workflows.drop import read_drop_protocol
from tests.helpers.scored_runs import scored


def horizons(root: Path, model: str, number: int) -> list[str]:
    """Scored short and long videos of a training run."""
    return [str(scored(root / length, model, number).root) for length in ("short", "long")]


def drop(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["drop", *arguments])
    return result.exit_code, result.output


def test_training_runs_are_pairs_in_their_order_and_one_without_a_partner_is_left_out(tmp_path: Path) -> None:
    baseline = [path for number in range(3) for path in horizons(tmp_path, "none", number)]
    method = [path for number in range(2) for path in horizons(tmp_path, "half", number)]
    code, output = drop(*baseline, *method, "--out", str(tmp_path / "out"))
    assert code == 0, output
    assert "Over 2 training runs of each model and over prompts" in output
    with (tmp_path / "out" / "drop.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["what"] for row in rows} == {"drop of none", "drop of half", "drop of half - drop of none"}
    assert read_drop_protocol(tmp_path / "out").training_runs() == 2


def test_one_run_of_each_is_read_with_and_without_against(tmp_path: Path) -> None:
    ours, other = horizons(tmp_path, "none", 0), horizons(tmp_path, "half", 0)
    written = []
    for name, arguments in (("in-turn", (*ours, *other)), ("against", (*ours, "--against", *other))):
        code, output = drop(*arguments, "--out", str(tmp_path / name))
        assert code == 0, output
        written.append((tmp_path / name / "drop.csv").read_text())
    assert written[0] == written[1]
    assert read_drop_protocol(tmp_path / "against").training_runs() == 1


@pytest.mark.parametrize(
    ("models", "message"),
    [
        (("none", "none"), "are of one training run"),
        (("none", "half", "whole"), "The runs are of 3 models"),
    ],
)
def test_what_cannot_be_paired_is_refused(models: tuple[str, ...], message: str, tmp_path: Path) -> None:
    paths = [path for model in models for path in horizons(tmp_path, model, 0)]
    code, output = drop(*paths, "--out", str(tmp_path / "out"))
    assert code != 0
    assert message in " ".join(output.split())
    code, output = drop(*paths[:-1], "--out", str(tmp_path / "out"))
    assert code != 0
    assert "has no partner" in " ".join(output.split())
