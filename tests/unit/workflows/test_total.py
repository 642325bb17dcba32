"""`probekit total`: one run's means, coverage and aggregates."""

import csv
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from probekit.cli.main import app
from probekit.errors import UserError
from probekit.reporting.total_table import RunTotal
from probekit.run_folder.manifest import load_video_set, write_manifest
from probekit.run_folder.protocol_card import PromptsCard, ProtocolCard, write_protocol
from probekit.run_folder.score_table import SCORES_FOLDER, ScoreRow, write_scores
from probekit.run_folder.video_set import VideoRow
from probekit.seeding import generator
from probekit.suites.dimension_constants import SPRITE_CONSTANTS
from probekit.workflows.compare import open_scored_run
from probekit.workflows.total import total_of_run

DIMENSIONS = tuple(constant.dimension for constant in SPRITE_CONSTANTS)


def score_row(prompt: int, sample: int, dimension: str, value: float | None, frames: float | None) -> ScoreRow:
    known = value is not None and frames is not None
    return ScoreRow(
        "m", "r", "sprite-5s", "5s", f"test-{prompt:03d}", sample, 0, dimension, value,
        value * frames if value is not None and frames is not None else None, frames if known else None,
        None if value is not None else "hidden", "fraction", 0.0, 1.0, f"{dimension}-1", "ab",
    )  # fmt: skip


def make_run(root: Path, dimensions: tuple[str, ...] = DIMENSIONS, null: str | None = None) -> Path:
    """Prompt 0 with one video and prompt 1 with two; the manifest plans three of each."""
    rng = generator("totalling")
    keys = [(0, 0), (1, 0), (1, 1)]
    rows = [
        score_row(p, s, name, None if name == null and s == 0 else float(rng.random()), float(rng.integers(10, 80)))
        for name in dimensions
        for p, s in keys
    ]
    write_scores(root / SCORES_FOLDER / "all.parquet", rows)
    write_protocol(root, ProtocolCard(prompts=PromptsCard(file_hash="ab", suite="sprite-5s", n_prompts=2, samples=3)))
    videos = [
        VideoRow(
            model="m", training_run="r", suite="sprite-5s", horizon="5s", prompt_id=f"test-{p:03d}", sample=s,
            prompt="a", path=f"videos/{p}-{s}.mp4", n_frames=81, fps=16.0, height=32, width=32, sha256="0" * 64,
        )
        for p in range(2)
        for s in range(3)
    ]  # fmt: skip
    write_manifest(root, videos)
    assert len(load_video_set(root).rows) == 6
    return root


def total_of(root: Path) -> RunTotal:
    return total_of_run(open_scored_run(root), "prompt-mean")


def test_each_weighting_is_its_sum_by_hand(tmp_path: Path) -> None:
    run = open_scored_run(make_run(tmp_path))
    table = run.table[run.table.dimension == "object_class"].sort_values(["prompt_id", "sample"])
    (a, b, c), frames = table.value, table.denominator.to_numpy()
    expected = {
        "prompt-mean": (a + (b + c) / 2) / 2,
        "video-mean": (a + b + c) / 3,
        "frame-weighted": np.dot([a, b, c], frames) / frames.sum(),
    }
    for weighting, mean in expected.items():
        rows = {row.constant.dimension: row for row in total_of_run(run, weighting).dimensions}
        assert rows["object_class"].mean == pytest.approx(mean)
        assert (rows["object_class"].n_scored, rows["object_class"].n_planned) == (3, 6)


def test_a_missing_dimension_gives_no_total(tmp_path: Path) -> None:
    whole, part = total_of(make_run(tmp_path / "a")), total_of(make_run(tmp_path / "b", DIMENSIONS[1:]))
    assert whole.aggregate.missing == ()
    assert whole.aggregate.total is not None
    assert part.aggregate.missing == DIMENSIONS[:1]
    assert (part.aggregate.quality, part.aggregate.total) == (None, None)
    assert part.aggregate.semantic == whole.aggregate.semantic or part.aggregate.semantic is not None
    assert (part.dimensions[0].mean, part.dimensions[0].reason) == (None, "not scored")


def test_null_is_not_zero_and_costs_coverage(tmp_path: Path) -> None:
    total = total_of(make_run(tmp_path, null="color"))
    row = next(row for row in total.dimensions if row.constant.dimension == "color")
    run = open_scored_run(tmp_path)
    (value,) = run.table[(run.table.dimension == "color")].value.dropna()
    assert row.mean == pytest.approx(value)
    assert (row.n_scored, row.n_planned) == (1, 6)


def test_command_prints_coverage_and_writes_tables(tmp_path: Path) -> None:
    run, out = make_run(tmp_path / "run", DIMENSIONS[1:]), tmp_path / "out"
    result = CliRunner().invoke(app, ["total", str(run), "--weighting", "frame-weighted", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "3 of 6" in result.output
    assert "Not scored, so what needs them is n/a and not a partial sum: subject consistency." in result.output
    assert "Weighting: frame-weighted." in (out / "run.md").read_text()
    with (out / "run.csv").open(newline="") as file:
        rows = {row["quantity"]: row for row in csv.DictReader(file)}
    assert list(rows) == [*DIMENSIONS, "quality", "semantic", "total"]
    assert (rows["total"]["normalised_percent"], rows["total"]["reason"]) == ("", "dimensions are missing")
    assert float(rows["semantic"]["normalised_percent"]) > 0


def test_unknown_names_are_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path, (*DIMENSIONS, "sharpness"))
    with pytest.raises(UserError, match=r"'sharpness'.*no dimension of sprite-5s"):
        total_of(run)
    result = CliRunner().invoke(app, ["total", str(run), "--weighting", "mean"])
    assert result.exit_code == 2
    named = ("--weighting", "'mean'", "prompt-mean", "video-mean", "frame-weighted")
    assert all(word in result.stderr for word in named), result.stderr
