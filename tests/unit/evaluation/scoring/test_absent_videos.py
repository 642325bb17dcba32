"""Videos that a result does without stay in every table as n scored of N planned."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from probekit.cli.main import app
from probekit.errors import UserError
from probekit.evaluation.scoring.absent_videos import ABSENT_FILE, absent_videos, read_absent, write_absent
from probekit.run_folder.sample_key import SampleKey
from probekit.run_folder.score_table import read_scores
from probekit.run_folder.video_set import video_path
from probekit.workflows.score import score_run
from tests.helpers.video_set_files import write_sample, write_set

PROMPTS = ("a", "b", "c")


@pytest.fixture
def lacking(tmp_path: Path) -> Path:
    """A set of three videos of which one is deleted."""
    write_set(tmp_path, PROMPTS)
    (tmp_path / video_path(SampleKey("sprite-test", "b", 0))).unlink()
    return tmp_path


def _check(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["manifest", "check", *map(str, arguments)])
    return result.exit_code, result.output


def test_a_deleted_video_fails_the_check_by_name(lacking: Path) -> None:
    code, output = _check(lacking)
    assert code == 1
    assert "sprite-test__b__000.mp4: There is no video file" in output
    assert not (lacking / ABSENT_FILE).exists()


def test_allowed_videos_count_as_unscored_in_the_table(lacking: Path) -> None:
    code, output = _check(lacking, "--allow-missing")
    assert code == 0
    assert "coverage 2/3" in output
    score_run(lacking)
    table = read_scores(lacking)
    by_prompt = table.groupby("prompt_id")["value"].count()
    assert set(table["prompt_id"]) == set(PROMPTS)
    assert by_prompt["b"] == 0
    assert by_prompt["a"] > 0
    absent = table[table["prompt_id"] == "b"]
    assert set(absent["dimension"]) == set(table["dimension"])
    assert absent["reason"].str.startswith("no video: There is no video file").all()


def test_a_video_that_comes_back_is_scored_and_no_longer_absent(lacking: Path) -> None:
    _check(lacking, "--allow-missing")
    score_run(lacking)
    write_sample(lacking, "b", seed=1)
    score_run(lacking)
    table = read_scores(lacking)
    assert not table["reason"].fillna("").str.startswith("no video").any()
    assert len(table) == 3 * table["dimension"].nunique()
    code, output = _check(lacking, "--allow-missing")
    assert code == 0
    assert "coverage" not in output
    assert not (lacking / ABSENT_FILE).exists()


def test_a_check_without_a_plan_keeps_what_an_import_lacked(tmp_path: Path) -> None:
    write_set(tmp_path, PROMPTS)
    lacked = absent_videos(4, {SampleKey("sprite-test", "d", 0): "20 prompts share its name"})
    write_absent(tmp_path, lacked)
    code, output = _check(tmp_path)
    assert code == 1
    assert "sprite-test__d__000.mp4: planned, but not in the manifest" in output
    code, output = _check(tmp_path, "--allow-missing")
    assert code == 0
    assert "coverage 3/4" in output
    assert read_absent(tmp_path) == lacked


def test_wrong_videos_are_never_allowed(lacking: Path) -> None:
    extra = lacking / "videos" / "extra.mp4"
    extra.write_bytes(b"x")
    code, output = _check(lacking, "--allow-missing")
    assert code == 1
    assert "extra.mp4: not in the manifest" in output


def test_illegal_rows_are_failures_of_scoring(tmp_path: Path) -> None:
    write_set(tmp_path, PROMPTS)
    manifest = tmp_path / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"prompt_id": "c"', '"prompt_id": "../c"'))
    summary = score_run(tmp_path)
    assert [failure.path for failure in summary.failures].count(manifest) == 1
    assert set(read_scores(tmp_path)["prompt_id"]) == {"a", "b"}


def test_the_list_is_read_back(tmp_path: Path) -> None:
    assert read_absent(tmp_path) is None
    absent = absent_videos(5, {SampleKey("s", "b", 1): "gone", SampleKey("s", "a", 0): "empty"})
    write_absent(tmp_path, absent)
    assert read_absent(tmp_path) == absent
    assert [video.prompt_id for video in absent.videos] == ["a", "b"]
    assert absent.coverage() == "3/5"
    (tmp_path / ABSENT_FILE).write_text("{")
    with pytest.raises(UserError, match="not JSON"):
        read_absent(tmp_path)
    (tmp_path / ABSENT_FILE).write_text('{"planned": 5}')
    with pytest.raises(UserError, match="videos"):
        read_absent(tmp_path)
