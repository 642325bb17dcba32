"""A folder of VBench's own result files in, the table of differences out."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from probekit.cli.main import app
from probekit.errors import UserError
from probekit.evaluation.aggregation import aggregate
from probekit.evaluation.vbench.result_files import read_official_results
from probekit.reporting.comparison_io import read_comparison
from probekit.seeding import generator
from probekit.suites.dimension_constants import VBENCH_CONSTANTS

PROMPTS = 8


def write_results(folder: Path, shift: float) -> dict[str, float]:
    """Two files that share out the dimensions, in the official layout; returns the dimension means."""
    folder.mkdir()
    rng, means = generator("official"), {}
    documents: list[dict[str, object]] = [{}, {}]
    for number, constant in enumerate(VBENCH_CONSTANTS):
        values = rng.uniform(0.2, 0.3, size=(PROMPTS, 5)) + shift * (constant.dimension == "imaging_quality")
        scale = 100.0 if constant.dimension == "imaging_quality" else 1.0
        videos = [
            {"video_path": f"/videos/a cat, number {p}-{s}.mp4", "video_results": scale * float(values[p, s])}
            for p in range(PROMPTS)
            for s in range(5)
        ]
        documents[number % 2][constant.dimension] = [float(values.mean()), videos]
        means[constant.dimension] = float(values.mean())
    for number, document in enumerate(documents):
        (folder / f"results_{number}_eval_results.json").write_text(json.dumps(document))
    return means


def test_official_files_of_two_models_become_a_comparison(tmp_path: Path) -> None:
    baseline, method = write_results(tmp_path / "base", 0.0), write_results(tmp_path / "ours", 0.1)
    arguments = ["compare", str(tmp_path / "base"), str(tmp_path / "ours"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, [*arguments, "--replicates", "500", "--margin", "1", "--method", "joint"])
    assert result.exit_code == 0, result.output
    rows = {row.quantity: row for row in read_comparison(tmp_path / "out").rows}
    assert len(rows) == 16 + 3
    for means, attribute in ((baseline, "baseline_mean"), (method, "method_mean")):
        assert rows["total"].model_dump()[attribute] == pytest.approx(aggregate(means, VBENCH_CONSTANTS).total)
    assert rows["imaging_quality"].difference == pytest.approx(10.0)
    assert rows["imaging_quality"].star
    assert rows["color"].difference == pytest.approx(0.0, abs=1e-9)
    assert rows["total"].closed_form_error is not None
    significance = (tmp_path / "out" / "significance.csv").read_text().splitlines()
    assert len(significance) == 1 + 19
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".json", ".csv", ".md", ".tex", ".png", ".svg"}


def test_the_power_command_speaks_of_prompts_and_videos(tmp_path: Path) -> None:
    write_results(tmp_path / "base", 0.0)
    write_results(tmp_path / "ours", 0.1)
    arguments = ["power", str(tmp_path / "base"), str(tmp_path / "ours"), "--quantity", "imaging_quality"]
    result = CliRunner().invoke(app, [*arguments, "--width", "1", "--effect", "2", "--prompts", "10,100"])
    assert result.exit_code == 0, result.output
    assert "difference +10.000" in result.output
    assert "100: 1.00" in result.output
    assert "5 a prompt:" in result.output
    wrong = CliRunner().invoke(app, ["power", *arguments[1:3], "--quantity", "beauty"])
    assert wrong.exit_code == 2
    assert "beauty is not scored" in " ".join(wrong.output.split())


def test_another_baseline_and_the_noise_floor(tmp_path: Path) -> None:
    write_results(tmp_path / "base", 0.0)
    write_results(tmp_path / "ours", 0.1)
    write_results(tmp_path / "again", 0.02)
    runs = [str(tmp_path / "base"), str(tmp_path / "ours")]
    result = CliRunner().invoke(
        app,
        ["compare", *runs, "--baseline", runs[1], "--repeat", str(tmp_path / "again"), "--out", str(tmp_path / "out"),
         "--replicates", "200"],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert read_comparison(tmp_path / "out").baseline == "ours"
    header, *rows = (tmp_path / "out" / "significance.csv").read_text().splitlines()
    floors = {row.split(",")[1]: row.split(",")[header.split(",").index("noise_floor")] for row in rows}
    assert float(floors["imaging_quality"]) == pytest.approx(0.08)
    assert float(floors["color"]) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"color": [NaN, []]}', "NaN is no score"),
        ("[]", "not a VBench result"),
        ('{"beauty": [0.5, []]}', "not a VBench result"),
        ('{"color": 0.5}', "is not .score, videos."),
        ('{"color": [0.5, [{"video_path": "cat.mp4", "video_results": 0.5}]]}', "not named"),
    ],
)
def test_files_that_are_no_official_results_are_named(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "x_eval_results.json").write_text(content)
    with pytest.raises(UserError, match=message):
        read_official_results(tmp_path)


def test_two_files_of_one_dimension_are_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}_eval_results.json").write_text(json.dumps({"color": [0.5, []]}))
    with pytest.raises(UserError, match="both hold color"):
        read_official_results(tmp_path)
