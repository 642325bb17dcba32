"""The commands, end to end with tiny real models: sample, score, compare, report; and how they refuse bad input."""

import csv
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from probekit.cli.main import app
from probekit.reporting.comparison_io import read_comparison
from probekit.run_folder.score_table import read_scores
from tests.helpers.model_folders import write_tiny_model
from tests.helpers.shared_data import shared_path

RUNNER = CliRunner()


def probekit(*arguments: object) -> Result:
    """Run a command as a user does."""
    return RUNNER.invoke(app, [str(argument) for argument in arguments], terminal_width=200)


def error_line(result: Result) -> str:
    """The one error line of a failed command; fails the test if there is another number of them."""
    assert result.exit_code != 0, result.output
    lines = [line for line in result.output.splitlines() if line.startswith("error:")]
    assert len(lines) == 1, result.output
    return lines[0]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two scored runs of two tiny models."""
    root = tmp_path_factory.mktemp("chain")
    folders = []
    for seed, name in enumerate(("tiny-a", "tiny-b")):
        model = write_tiny_model(root / "models" / name, seed)
        run = root / name
        made = probekit("sample", "--model", model, "--out", run, "--prompts", 2, "--samples", 2, "--steps", 1)
        assert made.exit_code == 0, made.output
        scored = probekit("score", run)
        assert scored.exit_code == 0, scored.output
        folders.append(run)
    return folders


@pytest.fixture
def copy_of_run(runs: list[Path], tmp_path: Path) -> Path:
    shutil.copytree(runs[0], tmp_path / "run")
    return tmp_path / "run"


@pytest.mark.long
def test_every_video_has_every_dimension(runs: list[Path]) -> None:
    table = read_scores(runs[0] / "scores")
    assert len(table) == 4 * 10
    assert table["dimension"].nunique() == 10
    assert set(table["model"]) == {"tiny-a"}


def test_compare_writes_all_forms_of_the_table(runs: list[Path], tmp_path: Path) -> None:
    result = probekit("compare", *runs, "--out", tmp_path, "--replicates", 200)
    assert result.exit_code == 0, result.output
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".csv", ".md", ".tex", ".png", ".svg"}
    record = read_comparison(tmp_path)
    assert record.models() == ("tiny-a", "tiny-b")
    assert record.settings.replicates == 200


def test_a_run_compared_with_its_copy_differs_nowhere(runs: list[Path], tmp_path: Path) -> None:
    """The same videos under another model's name: every difference is exactly 0 and nothing has a star."""
    import pandas

    twin = tmp_path / "twin"
    shutil.copytree(runs[0], twin)
    for path in (twin / "scores").glob("*.parquet"):
        table = pandas.read_parquet(path)
        table["model"] = "twin"
        rows = [tuple(None if pandas.isna(v) else v for v in row) for row in table.itertuples(index=False)]
        from probekit.run_folder.score_table import ScoreRow, write_scores

        write_scores(path, [ScoreRow(*row) for row in rows])
    result = probekit("compare", runs[0], twin, "--out", tmp_path / "out", "--replicates", 100)
    assert result.exit_code == 0, result.output
    rows = read_comparison(tmp_path / "out").rows
    assert all(row.difference in (0, None) and not row.star for row in rows)


@pytest.mark.long
def test_the_report_stands_on_its_own(runs: list[Path], tmp_path: Path) -> None:
    result = probekit("report", *runs, "--out", tmp_path / "report", "--replicates", 100)
    assert result.exit_code == 0, result.output
    page = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert "tiny-a" in page
    assert len(list((tmp_path / "report" / "videos").rglob("*.mp4"))) == 8


def test_runs_of_different_seeds_are_not_compared(runs: list[Path], tmp_path: Path) -> None:
    model = runs[1].parent / "models" / "tiny-b"
    other = tmp_path / "other"
    probekit("sample", "--model", model, "--out", other, "--prompts", 2, "--samples", 2, "--steps", 1, "--seed", 9)
    probekit("score", other)
    line = error_line(probekit("compare", runs[0], other, "--out", tmp_path / "out"))
    assert "generation.seed" in line
    assert "--allow-mismatch" in line
    allowed = probekit("compare", runs[0], other, "--out", tmp_path / "out", "--allow-mismatch", "--replicates", 100)
    assert allowed.exit_code == 0
    assert "PROTOCOLS DIFFER in generation.seed" in (tmp_path / "out" / "comparison.md").read_text()


@pytest.mark.long
def test_scores_against_a_reference_run_say_that_the_backbone_is_random(copy_of_run: Path, runs: list[Path]) -> None:
    result = probekit("score", copy_of_run, "--reference", runs[1], "--lpips", "random")
    assert result.exit_code == 0, result.output
    table = read_scores(copy_of_run / "reference_scores.parquet")
    assert set(table["dimension"]) == {"mse", "psnr", "ssim", "lpips_random_backbone"}
    assert len(table) == 4 * 4
    assert table["value"].notna().all()
    refused = probekit("score", copy_of_run, "--reference", runs[1], "--lpips", "randon")
    assert refused.exit_code == 2
    assert "randon" in refused.output


@pytest.mark.parametrize("damage", ["missing", "empty", "truncated"])
def test_one_broken_video_is_named_and_the_rest_is_scored(copy_of_run: Path, damage: str) -> None:
    shutil.rmtree(copy_of_run / "scores")
    video = sorted((copy_of_run / "videos").glob("*.mp4"))[1]
    content = video.read_bytes()
    video.unlink()
    if damage != "missing":
        video.write_bytes(b"" if damage == "empty" else content[: len(content) // 2])
    assert video.name in error_line(probekit("score", copy_of_run))
    assert len(read_scores(copy_of_run / "scores")) == 3 * 10
    checked = probekit("manifest", "check", copy_of_run)
    assert checked.exit_code == 1
    assert video.name in checked.output


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["sample", "--model", "sprite-bsae", "--out", "x"], "sprite-bsae"),
        (["sample", "--model", ".", "--out", "x"], "transformer/config.json"),
        (["sample", "--model", "sprite-base", "--out", "x", "--suite", "sprite-7s"], "sprite-7s"),
        (["sample", "--model", "sprite-base", "--out", "x", "--shard", "2/2"], "shard 2 of 2"),
        (["sample", "--model", "sprite-base", "--out", "x", "--shard", "two"], "'two'"),
        (["score", "nowhere"], "nowhere"),
        (["compare", "nowhere", "--out", "x"], "nowhere"),
    ],
)
def test_bad_arguments_are_one_line_with_the_culprit(
    arguments: list[str], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert named in error_line(probekit(*arguments))


@pytest.mark.long
def test_published_videos_get_the_official_flickering_values(tmp_path: Path) -> None:
    """Golden values of the official vbench 0.1.5, custom input."""
    table = shared_path("data/video_mirai_page/videos.csv")
    official = {
        ("Causal-Forcing", "bear-tree"): 0.948712786506,
        ("Video-Mirai", "bear-tree"): 0.953852223415,
        ("Causal-Forcing", "burger"): 0.988485621471,
        ("Video-Mirai", "burger"): 0.984275010053,
    }
    with table.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if (row["model"], row["prompt_id"]) in official]
    for row in rows:
        row["file"] = str((table.parent / row["file"]).resolve())
    with (tmp_path / "four.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    result = probekit("score", tmp_path / "four.csv", "--out", tmp_path / "runs")
    assert result.exit_code == 0, result.output
    assert "15 dimensions not run: subject consistency, " in " ".join(result.output.split())
    for (model, prompt), value in official.items():
        scores = read_scores(tmp_path / "runs" / f"{model}--5s" / "scores")
        found = scores[(scores["prompt_id"] == prompt) & (scores["dimension"] == "temporal_flickering")]["value"]
        assert found.item() == pytest.approx(value, abs=1e-8)


def test_published_readouts_become_a_table(tmp_path: Path) -> None:
    result = probekit("readouts", shared_path("data/video_mirai_page/probe.csv"), "--out", tmp_path)
    assert result.exit_code == 0, result.output
    with (tmp_path / "readouts.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] == "psnr"]
    psnr = {(r["prompt_id"], r["horizon_chunks"], r["readout"]): float(r["value"]) for r in rows}
    assert len(psnr) == 2 * 3 * 3
    for prompt in ("violet", "fox"):
        for horizon in "123":
            mirai = next(v for k, v in psnr.items() if k[:2] == (prompt, horizon) and "Mirai" in k[2])
            base = next(v for k, v in psnr.items() if k[:2] == (prompt, horizon) and "Causal" in k[2])
            assert mirai > base
