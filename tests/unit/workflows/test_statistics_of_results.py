"""`compare`, `total` and `power` on VBench's own result files, from the command line."""

import csv
import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from probekit.cli.main import app
from tests.helpers.result_files import OTHER_PROMPTS, vbench_scores, write_results

VBENCH = importlib.util.find_spec("vbench") is not None


def texts_of(dimension: str) -> list[str]:
    """VBench's own prompts of a dimension, or ten others where its list is not installed."""
    if not VBENCH:
        return list(OTHER_PROMPTS)
    from probekit.suites.vbench import vbench_entries

    return [entry.text for entry in vbench_entries() if dimension in entry.dimensions]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("results")
    return [
        write_results(root / f"seed{seed}" / model, vbench_scores(texts_of, 10 * seed + place, 0.01 * place, samples=2))
        for seed in range(2)
        for place, model in enumerate(("base", "ours"))
    ]


def probekit(*arguments: Any) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def rows_of(out: Path) -> dict[str, dict[str, Any]]:
    return {row["quantity"]: row for row in json.loads((out / "comparison.json").read_text())["rows"]}


def totals_of(run: Path, out: Path, weighting: str = "prompt-mean") -> dict[str, dict[str, str]]:
    done = probekit("total", run, "--weighting", weighting, "--out", out)
    assert done.exit_code == 0, done.output
    with (out / f"{run.name}.csv").open(newline="") as file:
        return {row["quantity"]: row for row in csv.DictReader(file)}


@pytest.mark.long
@pytest.mark.parametrize("method", ["paper", "joint", "two-level"])
def test_every_method_prints_the_totals_of_the_runs(method: str, results: list[Path], tmp_path: Path) -> None:
    done = probekit("compare", *results[:2], "--out", tmp_path, "--method", method, "--replicates", 100)
    assert done.exit_code == 0, done.output
    rows = rows_of(tmp_path)
    for run, side in zip(results[:2], ("baseline_mean", "method_mean"), strict=True):
        totals = totals_of(run, tmp_path / "totals")
        for name in ("quality", "semantic", "total"):
            assert rows[name][side] == pytest.approx(float(totals[name]["normalised_percent"]), abs=1e-6)


@pytest.mark.long
def test_runs_print_the_mean_of_the_totals_of_their_runs(results: list[Path], tmp_path: Path) -> None:
    done = probekit("compare", *results, "--out", tmp_path, "--method", "runs", "--replicates", 200)
    assert done.exit_code == 0, done.output
    rows = rows_of(tmp_path)
    for place, side in enumerate(("baseline_mean", "method_mean")):
        each = [totals_of(results[2 * seed + place], tmp_path / f"{seed}{place}")["total"] for seed in range(2)]
        expected = np.mean([float(one["normalised_percent"]) for one in each])
        assert rows["total"][side] == pytest.approx(expected, abs=1e-6)
        assert 75 < rows["total"][side] < 90
    assert rows["total"]["interval"] == "t"
    assert "t interval instead" in done.output
    assert "fewer than 50 training runs" in done.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--method", "runs", "--interval", "studentised"], "studentised"),
        (["--method", "two-level", "--interval", "studentised"], "studentised"),
        (["--method", "two-level", "--pooled"], "video-mean"),
        (["--method", "runs", "--margin", "1"], "--margin"),
        (["--pooled", "--weighting", "frame-weighted"], "--pooled"),
    ],
)
def test_options_that_do_not_go_together_are_refused_before_anything_is_read(
    options: list[str], message: str, tmp_path: Path
) -> None:
    done = probekit("compare", tmp_path / "no", tmp_path / "folder", "--out", tmp_path / "out", *options)
    assert done.exit_code == 2
    assert message in done.stderr
    assert "no scores" not in done.stderr


@pytest.mark.long
def test_weighting_reaches_every_table(results: list[Path], tmp_path: Path) -> None:
    """One prompt with a single video of two: prompts alike and videos alike differ, in all tables."""
    scores = vbench_scores(texts_of, 1, 0.01, samples=2)
    first = next(iter(scores["scene"]))
    scores["scene"][first] = scores["scene"][first][:1]
    scores["scene"][first][0] = 0.0
    ours = write_results(tmp_path / "ours", scores)
    found, floors = {}, {}
    for weighting in ("prompt-mean", "video-mean"):
        out = tmp_path / weighting
        arguments = ("compare", ours, results[0], "--out", out, "--method", "joint", "--replicates", 100)
        done = probekit(*arguments, "--repeat", results[2], "--weighting", weighting, "--allow-mismatch")
        assert done.exit_code == 0, done.output
        with (out / "significance.csv").open(newline="") as file:
            tests = {row["quantity"]: row for row in csv.DictReader(file)}
        for quantity, scale in (("scene", 100), ("total", 1)):
            assert scale * float(tests[quantity]["difference"]) == pytest.approx(rows_of(out)[quantity]["difference"])
        own, other = (float(totals_of(run, out, weighting)["scene"]["raw"]) for run in (ours, results[2]))
        assert rows_of(out)["scene"]["baseline_mean"] == pytest.approx(100 * own, abs=1e-5)
        assert float(tests["scene"]["noise_floor"]) == pytest.approx(abs(own - other), rel=1e-5)
        found[weighting], floors[weighting] = float(tests["scene"]["difference"]), float(tests["scene"]["noise_floor"])
    # The lost prompt weighs twice as much among prompts as among videos.
    assert found["prompt-mean"] > found["video-mean"] + 1e-4
    assert floors["prompt-mean"] != pytest.approx(floors["video-mean"], rel=1e-3)


def test_total_and_compare_count_alike(results: list[Path], tmp_path: Path) -> None:
    done = probekit("compare", *results[:2], "--out", tmp_path, "--replicates", 100)
    assert done.exit_code == 0, done.output
    assert "not run" not in done.output  # the dimensions are compared, whatever weights this machine lacks
    totals, rows = totals_of(results[0], tmp_path / "totals"), rows_of(tmp_path)
    for dimension, videos in vbench_scores(texts_of, 0, samples=2).items():
        expected = (2 * len(videos), 2 * len(videos))
        counts = totals[dimension]["videos_scored"], totals[dimension]["videos_planned"]
        assert tuple(map(int, counts)) == expected
        assert tuple(rows[dimension]["baseline_videos"].values()) == expected


@pytest.mark.skipif(not VBENCH, reason="VBench's list of prompts is not installed")
def test_what_vbench_plans_and_the_files_lack_is_counted(tmp_path: Path) -> None:
    """Ten prompts of 72: a part of the benchmark cannot pass for the whole."""
    scores = vbench_scores(lambda dimension: texts_of(dimension)[:10], 3, samples=5)
    runs = [write_results(tmp_path / name, scores) for name in ("base", "ours")]
    assert totals_of(runs[0], tmp_path / "out")["subject_consistency"]["videos_planned"] == "360"
    done = probekit("compare", *runs, "--out", tmp_path / "out", "--replicates", 100)
    assert done.exit_code == 0, done.output
    assert rows_of(tmp_path / "out")["subject_consistency"]["method_videos"] == {"scored": 50, "planned": 360}


def test_other_prompts_plan_nothing_but_themselves(tmp_path: Path) -> None:
    scores = {"dynamic_degree": {text: [True, i > 0] for i, text in enumerate(OTHER_PROMPTS)}}
    run = write_results(tmp_path / "m", scores)
    assert totals_of(run, tmp_path / "out")["dynamic_degree"]["videos_planned"] == "20"


@pytest.mark.parametrize("interval", ["percentile", "basic", "bca", "studentised", "t"])
@pytest.mark.parametrize("method", ["paper", "joint"])
def test_almost_constant_answers_have_a_sane_interval(method: str, interval: str, tmp_path: Path) -> None:
    """Nine of ten prompts differ by one whole, one by none."""
    runs = [
        write_results(tmp_path / name, {"dynamic_degree": {text: [answer(text)] * 3 for text in OTHER_PROMPTS}})
        for name, answer in (("a", lambda _: True), ("b", lambda text: "cup" in text))
    ]
    done = probekit(
        "compare", *runs, "--out", tmp_path / "out", "--interval", interval, "--method", method, "--replicates", 300
    )
    assert done.exit_code == 0, done.output
    row = rows_of(tmp_path / "out")["dynamic_degree"]
    assert (row["interval"], row["star"]) == ("t", True)
    assert (row["low"], row["high"]) == pytest.approx((-112.62, -67.38), abs=0.01)
    assert ("t interval instead (dynamic degree)" in done.output) == (interval != "t")


@pytest.mark.parametrize(("ours", "difference"), [(True, "+0.000"), (False, "-100.000")])
def test_power_says_in_one_line_that_pilots_differ_alike(ours: bool, difference: str, tmp_path: Path) -> None:
    runs = [
        write_results(tmp_path / name, {"dynamic_degree": {text: [value] * 3 for text in OTHER_PROMPTS}})
        for name, value in (("a", True), ("b", ours))
    ]
    done = probekit("power", *runs, "--quantity", "dynamic_degree", "--width", "0.5")
    assert done.exit_code == 2
    (line,) = done.stderr.strip().splitlines()
    assert f"The pilots differ by {difference} in every prompt of dynamic_degree" in line


def test_power_of_a_composite_shares_prompts_as_in_the_pilot(results: list[Path]) -> None:
    done = probekit("power", *results[:2], "--quantity", "total", "--prompts", "20,946", "--effect", "2")
    assert done.exit_code == 0, done.output
    assert "20: no interval" in done.output
    assert "946: 1.00" in done.output


@pytest.mark.parametrize("prompts", ["abc", "10,,20", "0", "-5", "1.5"])
def test_numbers_of_prompts_are_checked(prompts: str, tmp_path: Path) -> None:
    done = probekit("power", tmp_path, tmp_path, f"--prompts={prompts}")
    assert done.exit_code == 2
    assert "no number of prompts" in done.stderr
