"""A folder of VBench's own result files in, the table of differences out."""

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from probekit.cli.main import app
from probekit.errors import UserError
from probekit.evaluation.aggregation import aggregate
from probekit.evaluation.vbench.result_files import official_card, read_official_results
from probekit.reporting.comparison_io import read_comparison
from probekit.seeding import generator
from probekit.suites.dimension_constants import VBENCH_CONSTANTS

PROMPTS = 8


def write_results(folder: Path, shift: float) -> dict[str, float]:
    """Two files that share out the dimensions, in the official layout; returns the dimension means."""
    folder.mkdir()
    rng, means = generator("official"), {}
    own = generator("official", "of this model", str(shift)).uniform(-0.01, 0.01, size=(PROMPTS, 5))
    documents: list[dict[str, object]] = [{}, {}]
    for number, constant in enumerate(VBENCH_CONSTANTS):
        values = rng.uniform(0.2, 0.3, size=(PROMPTS, 5))
        if constant.dimension == "imaging_quality":
            values += shift + own - own.mean()
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
    with (tmp_path / "out" / "significance.csv").open() as file:
        rows = list(csv.DictReader(file))
    floors = {row["quantity"]: row["noise_floor"] for row in rows}
    assert float(floors["imaging_quality"]) == pytest.approx(0.08, rel=1e-6)
    assert float(floors["color"]) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "not a VBench result"),
        ('{"beauty": [0.5, []]}', "beauty: it is no dimension of VBench"),
        ('{"Human_Anatomy": [0.5, []]}', "human_anatomy: it is a dimension of VBench-2.0"),
        ('{"color": 0.5}', "color: .* the scores of its videos are missing"),
        ('{"color": [0.5, [["a-0.mp4", 0.5]]]}', "color: entry 1: it is a list"),
        ('{"color": [0.5, [{"video_results": 0.5}]]}', "color: entry 1: it has no video_path"),
        ('{"color": [0.5, [{"video_path": "a-0.mp4"}]]}', "color: entry 1: it has no video_results"),
        ('{"color": [0.5, [{"video_path": "a-0.mp4", "video_results": "x"}]]}', "entry 1: .* is no finite number"),
        ('{"color": [0.5, [{"video_path": "a-0.mp4", "video_results": Infinity}]]}', "is no finite number"),
        ('{"color": [95, [{"video_path": "a-0.mp4", "video_results": 95}]]}', "entry 1: color = 95.0 is outside"),
        ('{"color": [0.5, []], "color": [0.6, []]}', "the key 'color' stands twice"),
        ('{"color": [0.5, []], "Color": [0.6, []]}', "holds twice color"),
        ("version https://git-lfs.github.com/spec/v1", "a Git LFS pointer, not a VBench result"),
        ('{"color": 0.5}', "is not .score, videos."),
        ('{"color": [0.5, [{"video_path": "cat.mp4", "video_results": 0.5}]]}', "not named"),
    ],
)
def test_files_that_are_no_official_results_are_named(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "x_eval_results.json").write_text(content)
    with pytest.raises(UserError, match=message):
        read_official_results(tmp_path)


def entry(path: str, value: object) -> dict[str, object]:
    return {"video_path": path, "video_results": value}


def results_file(folder: Path, text: str, name: str = "x_eval_results.json") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder


SOUND = {"motion_smoothness": [0.9, [entry("v/a cup-0.mp4", 0.9), entry("v/a cup-1.mp4", 0.8)]]}


def test_what_is_sound_is_read_and_the_rest_is_named_with_its_entry(tmp_path: Path) -> None:
    document = SOUND | {
        "dynamic_degree": [float("nan"), []],
        "i2v_subject": [0.9, [entry("v/a cup-0.mp4", 0.9)]],
        "color": [0.5, [entry("v/a cup-0.mp4", 1.0), {"video_results": 0.5}]],
    }
    folder = results_file(tmp_path, "\ufeff" + json.dumps(document), "X_Eval_Results.JSON")
    found = read_official_results(folder, allow_missing=True)
    assert [(row.dimension, row.value) for row in found.rows] == [
        ("motion_smoothness", 0.9),
        ("motion_smoothness", 0.8),
    ]
    assert found.not_scored == ("dynamic_degree",)
    missing = found.missing()
    assert missing["dynamic_degree"] == "VBench scored no video"
    assert "X_Eval_Results.JSON: color: entry 2: it has no video_path" in missing["color"]
    assert "i2v_subject: it is a dimension of VBench-I2V" in missing["i2v_subject"]
    with pytest.raises(UserError, match=r"i2v_subject: .*color: entry 2: .*--allow-missing"):
        read_official_results(folder)


def test_two_unlike_scores_of_a_video_are_refused_and_equal_ones_are_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    twice = [entry("v/a cup-0.mp4", 0.9), entry("v/a cup-1.mp4", 0.8), entry("w/a cup-0.mp4", 0.5)]
    with pytest.raises(UserError, match=r"entries 1 and 3 are of one video, 'w/a cup-0\.mp4', .* 0\.9 and 0\.5"):
        read_official_results(results_file(tmp_path, json.dumps({"color": [0.7, twice]})), allow_missing=True)
    equal = [entry("v/a cup-0.mp4", 0.9), entry("v/a cup-0.mp4", 0.9)]
    with caplog.at_level("WARNING", logger="probekit"):
        found = read_official_results(results_file(tmp_path, json.dumps({"color": [0.9, equal]})))
    assert len(found.rows) == 1
    assert "color: 1 entries stand there twice" in caplog.text


def test_nan_of_a_video_is_null_with_the_reason(tmp_path: Path) -> None:
    videos = [entry("a-0.mp4", float("nan")), entry("a-1.mp4", None), entry("a-2.mp4", 0.5)]
    rows = read_official_results(results_file(tmp_path, json.dumps({"color": [0.5, videos]}))).rows
    assert [(row.value, row.reason) for row in rows] == [
        (None, "VBench wrote NaN"),
        (None, "VBench wrote null"),
        (0.5, None),
    ]


def test_paths_of_windows_and_capitals_of_dimensions_are_read(tmp_path: Path) -> None:
    document = {"Motion Smoothness": [0.9, [entry("D:\\videos\\a cup-3.mp4", 0.9)]]}
    (row,) = read_official_results(results_file(tmp_path, json.dumps(document))).rows
    assert (row.dimension, row.prompt_id, row.sample) == ("motion_smoothness", "a cup", 3)


def test_clips_of_vbench_long_are_clips_of_their_videos(tmp_path: Path) -> None:
    clips = [entry(f"split_clip/a cup-1/a cup-1_{clip:03d}.mp4", 0.5 + clip / 10) for clip in range(2)]
    scenes = [entry(f"split_clip/b-0-Scene-{s}/b-0-Scene-{s}_{c:03d}.mp4", 0.5) for s in range(2) for c in range(2)]
    whole = [entry("videos/a cup-1.mp4", 0.7)]
    document = {"motion_smoothness": [0.5, [*clips, *scenes]], "subject_consistency": [0.7, whole]}
    rows = read_official_results(results_file(tmp_path, json.dumps(document))).rows
    assert [(row.prompt_id, row.sample, row.clip) for row in rows if row.dimension == "motion_smoothness"] == [
        ("a cup", 1, 0), ("a cup", 1, 1), ("b", 0, 0), ("b", 0, 1), ("b", 0, 1_000_000), ("b", 0, 1_000_001),
    ]  # fmt: skip
    assert {row.horizon for row in rows} == {"long"}
    assert official_card(rows).clip_rule == "vbench-long"


def test_imaging_quality_on_the_wrong_scale_is_warned_about(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for top, warned in ((0.72, True), (72.0, False)):
        caplog.clear()
        document = {"imaging_quality": [0.72, [entry("a-0.mp4", top), entry("a-1.mp4", top / 2)]]}
        with caplog.at_level("WARNING", logger="probekit"):
            read_official_results(results_file(tmp_path, json.dumps(document)))
        assert ("imaging_quality: the scores of its videos end at 0.72" in caplog.text) == warned


@pytest.mark.long
def test_a_comparison_of_imported_results_lists_no_weights_to_get(tmp_path: Path) -> None:
    for name, shift in (("base", 0.0), ("ours", 0.1)):
        write_results(tmp_path / name, shift)
        imported = CliRunner().invoke(
            app, ["vbench", "import-results", str(tmp_path / name), "--out", str(tmp_path / f"{name}-run")]
        )
        assert imported.exit_code == 0, imported.output
    for names in (("base", "ours"), ("base-run", "ours-run")):
        runs = [str(tmp_path / name) for name in names]
        result = CliRunner().invoke(app, ["compare", *runs, "--out", str(tmp_path / "out"), "--replicates", "100"])
        assert result.exit_code == 0, result.output
        assert read_comparison(tmp_path / "out").not_run == ()
        assert "weights" not in (tmp_path / "out" / "comparison.md").read_text()


def test_a_dimension_that_only_one_model_has_is_said_to_miss_in_the_other(tmp_path: Path) -> None:
    videos = [entry(f"{prompt}-0.mp4", 0.5) for prompt in "abcdefgh"]
    one, both = {"color": [0.5, videos]}, {"color": [0.5, videos], "scene": [0.5, videos]}
    runs = [str(results_file(tmp_path / name, json.dumps(document))) for name, document in (("A", one), ("B", both))]
    arguments = ["compare", *runs, "--out", str(tmp_path / "out"), "--replicates", "100"]
    refused = CliRunner().invoke(app, arguments)
    assert refused.exit_code == 2
    assert f"{tmp_path / 'A'} has no scores of scene" in " ".join(refused.output.split())
    assert CliRunner().invoke(app, [*arguments, "--allow-mismatch"]).exit_code == 0
    reasons = {row.dimension: row.reason for row in read_comparison(tmp_path / "out").not_run}
    assert reasons["scene"] == "no scores of A"
    assert reasons["object_class"] == "not in the score tables"


def test_two_files_of_one_dimension_are_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}_eval_results.json").write_text(json.dumps({"color": [0.5, []]}))
    with pytest.raises(UserError, match="both hold color"):
        read_official_results(tmp_path)
