"""Scores into VBench's result files and back."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from probekit.cli.main import app
from probekit.errors import UserError
from probekit.evaluation.scorer import Score
from probekit.evaluation.vbench.official.records import record_of, score_of
from probekit.evaluation.vbench.result_export import official_layout, write_official_layout
from probekit.evaluation.vbench.result_files import read_official_results
from probekit.media.video_files import write_video
from probekit.run_folder.manifest import write_manifest
from probekit.run_folder.protocol_card import GenerationCard, PromptsCard, ProtocolCard, write_protocol
from probekit.run_folder.sample_key import SampleKey
from probekit.run_folder.score_table import ScoreRow, read_scores, write_scores
from probekit.run_folder.video_set import VideoRow, describe_video, video_path
from probekit.seeding import generator
from probekit.suites.dimension_constants import VBENCH
from probekit.suites.vbench import vbench_entries

COUNTED = ("subject_consistency", "background_consistency", "object_class", "multiple_objects", "scene")
EVENTS = ("dynamic_degree", "human_action")

# Entries in the official layout, written by hand after vbench/<dimension>.py.
RECORDS: Mapping[str, tuple[dict[str, Any], Score]] = {
    "subject_consistency": ({"video_results": 0.5}, Score(0.5)),
    "background_consistency": ({"video_results": 0.75, "video_sim": 3.0, "cnt_per_video": 4}, Score(0.75, 3.0, 4.0)),
    "temporal_flickering": ({"video_results": 0.9}, Score(0.9)),
    "dynamic_degree": ({"video_results": True}, Score(1.0)),
    "imaging_quality": ({"video_results": 65.0}, Score(0.65)),
    "object_class": ({"video_results": 0.5, "success_frame_count": 8, "frame_count": 16}, Score(0.5, 8.0, 16.0)),
    "human_action": ({"video_results": False, "cor_num_per_video": 0}, Score(0.0)),
    "color": ({"video_results": 0.25, "cur_success_frame_rate": 0.25}, Score(0.25)),
    "spatial_relationship": ({"video_results": 0.5, "frame_results": [1, 0]}, Score(0.5, 1.0, 2.0)),
    "scene": ({"video_results": 1.0, "success_frame_count": 16, "frame_count": 16}, Score(1.0, 16.0, 16.0)),
    "appearance_style": ({"video_results": 0.2, "frame_results": [0.1, 0.3], "cur_sim": 0.3}, Score(0.2, 0.4, 2.0)),
    "overall_consistency": ({"video_results": -0.1}, Score(-0.1)),
}


@pytest.mark.parametrize("dimension", RECORDS)
def test_entries_mean_what_they_say(dimension: str) -> None:
    record, score = RECORDS[dimension]
    assert score_of(dimension, record) == pytest.approx(score)
    written = record_of(dimension, "a cat-0.mp4", score)
    assert written["video_path"] == "a cat-0.mp4"
    assert type(written["video_results"]) is type(record["video_results"])
    lists = {"frame_results", "cur_sim"}
    assert {name: value for name, value in written.items() if name != "video_path"} == {
        name: pytest.approx(value) for name, value in record.items() if name not in lists
    }


@pytest.mark.parametrize("value", [math.nan, math.inf, None, "0.5", 1.1, -0.1])
def test_what_no_formula_gives_is_refused(value: Any) -> None:
    with pytest.raises(UserError, match="motion_smoothness"):
        score_of("motion_smoothness", {"video_results": value})


def test_subject_consistency_has_counts_only_where_the_length_is_known() -> None:
    assert score_of("subject_consistency", {"video_results": 0.5}, n_frames=81) == (0.5, 40.0, 80.0, None)


def make_run(root: Path) -> list[ScoreRow]:
    """A run of VBench's suite with one prompt of each kind, two samples each, and made-up scores."""
    firsts = {next(e.prompt_id for e in vbench_entries() if name in e.dimensions) for name in VBENCH}
    rng, rows, videos = generator("official-layout"), [], []
    for entry in (entry for entry in vbench_entries() if entry.prompt_id in firsts):
        for sample in range(2):
            videos.append(_video(root, entry.prompt_id, entry.text, sample))
            rows += [_row(videos[-1], dimension, rng) for dimension in entry.dimensions]
    write_manifest(root, videos)
    card = ProtocolCard(
        prompts=PromptsCard(file_hash="ab", suite="vbench", n_prompts=len(videos) // 2, samples=2),
        generation=GenerationCard(model="ours", seed=0, frames=2, fps=8.0, height=16, width=16),
    )
    write_protocol(root, card)
    write_scores(root / "scores" / "all-0000.parquet", rows)
    return rows


def _video(root: Path, prompt_id: str, text: str, sample: int) -> VideoRow:
    key = SampleKey("vbench", prompt_id, sample)
    write_video(root / video_path(key), np.full((2, 16, 16, 3), sample, np.uint8), 8.0)
    return describe_video(
        root, video_path(key), key, model="ours", training_run="r0", horizon="5s", prompt=f"{text}, in more words"
    )


def _row(video: VideoRow, dimension: str, rng: np.random.Generator) -> ScoreRow:
    low, high = VBENCH[dimension].range
    value, numerator, denominator = float(rng.integers(0, 2)), None, None
    if dimension in (*COUNTED, "appearance_style", "spatial_relationship"):
        denominator = float(rng.integers(4, 17))
        numerator = float(rng.integers(0, int(denominator) + 1))
        value = numerator / denominator
    elif dimension not in EVENTS:
        value = float(rng.uniform(0.1, 0.9))
    return ScoreRow(
        "ours", "r0", "vbench", "5s", video.prompt_id, video.sample, 0, dimension, value, numerator, denominator,
        None, "fraction", low, high, f"{dimension}+x", video.sha256,
    )  # fmt: skip


def export(folder: Path, *options: str) -> Result:
    """`probekit vbench export-results` of `folder/run` to `folder/out`."""
    return CliRunner().invoke(
        app, ["vbench", "export-results", str(folder / "run"), "--out", str(folder / "out"), *options]
    )


def test_a_run_survives_the_round_trip(tmp_path: Path) -> None:
    rows = make_run(tmp_path / "run")
    result = CliRunner().invoke(
        app, ["vbench", "export-results", str(tmp_path / "run"), "--out", str(tmp_path / "out")]
    )
    assert result.exit_code == 0, result.output
    back = read_official_results(tmp_path / "out").rows
    key = [(row.prompt_id, row.sample, row.dimension) for row in rows]
    assert sorted((row.prompt_id, row.sample, row.dimension) for row in back) == sorted(key)
    values = {(row.prompt_id, row.sample, row.dimension): row for row in back}
    for row in rows:
        other = values[row.prompt_id, row.sample, row.dimension]
        assert other.value == pytest.approx(row.value, abs=1e-12)
        if row.dimension in COUNTED and row.dimension != "subject_consistency":
            assert (other.numerator, other.denominator) == (row.numerator, row.denominator)


def test_dimension_scores_are_pooled_as_the_official_code_does(tmp_path: Path) -> None:
    rows = make_run(tmp_path / "run")
    result = export(tmp_path, "--name", "x")
    assert result.exit_code == 0, result.output
    written = json.loads((tmp_path / "out" / "x_eval_results.json").read_text())
    assert set(written) == set(VBENCH)
    for dimension, (score, entries) in written.items():
        mine = [row for row in rows if row.dimension == dimension]
        if mine[0].numerator is not None:
            expected = sum(row.numerator or 0 for row in mine) / sum(row.denominator or 0 for row in mine)
        else:
            expected = sum(row.value or 0 for row in mine) / len(mine)
        assert score == pytest.approx(expected)
        assert len(entries) == len(mine)
    for name in EVENTS:
        assert all(type(entry["video_results"]) is bool for entry in written[name][1])


def test_the_second_file_lists_prompts_as_vbench_does(tmp_path: Path) -> None:
    make_run(tmp_path / "run")
    export(tmp_path)
    info = json.loads((tmp_path / "out" / "ours_full_info.json").read_text())
    by_text = {entry.text: entry for entry in vbench_entries()}
    assert all(set(each) <= {"prompt_en", "dimension", "auxiliary_info", "video_list"} for each in info)
    for each in info:
        assert each["prompt_en"] in by_text, "VBench's own text, not the longer one that was scored"
        assert each["video_list"] == [f"{each['prompt_en']}-{sample}.mp4" for sample in range(2)]
    assert any("auxiliary_info" in each for each in info)


def test_nulls_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = [row for row in make_run(tmp_path / "run") if row.dimension == "color"]
    nulls = [row._replace(value=None, reason="nothing seen") if row.sample else row for row in rows]
    write_scores(tmp_path / "run" / "scores" / "all-0000.parquet", nulls)
    result = CliRunner().invoke(
        app, ["vbench", "export-results", str(tmp_path / "run"), "--out", str(tmp_path / "out")]
    )
    assert "1 without a score left out" in result.output
    written = json.loads((tmp_path / "out" / "ours_eval_results.json").read_text())
    assert len(written["color"][1]) == 1


def test_what_the_layout_cannot_hold_is_refused(tmp_path: Path) -> None:
    rows = make_run(tmp_path / "run")
    video = _video(tmp_path, "0000", "a cat", 0)
    with pytest.raises(UserError, match="sprite"):
        official_layout([rows[0]._replace(suite="sprite-5s")], [video])
    with pytest.raises(UserError, match="in clips"):
        official_layout([rows[0]._replace(clip=1)], [video])
    with pytest.raises(UserError, match="no video of 9999"):
        official_layout([rows[0]._replace(prompt_id="9999")], [video])
    with pytest.raises(UserError, match="No dimension"):
        write_official_layout(official_layout([], [video]), tmp_path, "x")


def test_official_files_become_a_run(tmp_path: Path) -> None:
    rows = make_run(tmp_path / "run")
    export(tmp_path)
    arguments = [
        "vbench",
        "import-results",
        str(tmp_path / "out"),
        "--out",
        str(tmp_path / "back"),
        "--model",
        "theirs",
    ]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    table = read_scores(tmp_path / "back")
    assert len(table) == len(rows)
    assert set(table["model"]) == {"theirs"}
    assert table["numerator"].notna().sum() > 0
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 2
    assert "is not empty" in " ".join(again.output.split())


def test_score_and_export_in_two_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real path: official scoring of a set, one video of which is broken, and its result file."""
    monkeypatch.setenv("VBENCH_CACHE_DIR", str(tmp_path / "vbench"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    make_run(tmp_path / "run")
    for path in (tmp_path / "run" / "scores").iterdir():
        path.unlink()
    flickering = next(e.prompt_id for e in vbench_entries() if "temporal_flickering" in e.dimensions)
    broken = tmp_path / "run" / video_path(SampleKey("vbench", flickering, 1))
    broken.write_bytes(b"not a video")
    result = CliRunner().invoke(app, ["score", str(tmp_path / "run"), "--backend", "official"])
    assert result.exit_code == 1
    assert "15 dimensions not run: " in result.output
    assert broken.name in result.output
    table = read_scores(tmp_path / "run")
    assert set(table["scorer_id"]) == {"temporal_flickering+noweights+vbench-0.1.5"}
    assert list(table["prompt_id"]) == [flickering]
