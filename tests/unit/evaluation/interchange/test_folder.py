"""Folders of videos as people have them become sets; what cannot be used costs one line each."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from probekit.cli.main import app
from probekit.errors import UserError
from probekit.evaluation.interchange.folder import read_video_folder, safe_identifier
from probekit.run_folder.sample_key import SampleKey
from probekit.run_folder.score_table import read_scores
from probekit.run_folder.video_set_check import check_video_set
from tests.helpers.bad_videos import write_frames, write_sound, write_truncated
from tests.helpers.permissions import folder_of_all, ordinary_user


@pytest.mark.long
@given(st.text(min_size=1, max_size=300))
def test_any_text_has_a_legal_identifier(text: str) -> None:
    key = SampleKey("custom", safe_identifier(text), 0)
    assert SampleKey.parse(key.filename()) == key
    assert len(key.prompt_id) <= 71


def test_identifiers_are_readable_stable_and_different() -> None:
    assert safe_identifier("m002-base") == "m002-base"
    texts = ["A cat.", "A  cat", "a cat", "🦊", "🐱", "x" * 100, "x" * 101, "A_cat"]
    assert len({safe_identifier(text) for text in texts}) == len(texts)
    assert safe_identifier("A cat, asleep").startswith("A-cat-asleep-")
    assert safe_identifier("fac\u0327ades") == safe_identifier("fa\u00e7ades")


def test_numbered_files_are_samples_of_one_prompt(tmp_path: Path) -> None:
    for name in ("A cat-0.mp4", "A cat-1.mp4", "dog.mkv", "custom__p__007.mp4"):
        write_frames(tmp_path / name, n_frames=32)
    (tmp_path / "A cat-0_prompts.txt").write_text("A cat")
    (tmp_path / ".hidden.mp4").touch()
    (tmp_path / "folder").mkdir()
    table = read_video_folder(tmp_path)
    assert table.problems == []
    (video_set,) = table.video_sets
    identifier = safe_identifier("A cat")
    assert [(row.prompt_id, row.sample, row.prompt) for row in video_set.rows] == [
        (identifier, 0, "A cat"),
        (identifier, 1, "A cat"),
        ("dog", 0, "dog"),
        ("p", 7, "p"),
    ]
    assert {(row.model, row.horizon, row.suite) for row in video_set.rows} == {(tmp_path.name, "2s", "custom")}
    assert check_video_set(video_set) == []


def test_model_and_horizon_may_be_given(tmp_path: Path) -> None:
    write_frames(tmp_path / "a.mp4")
    (video_set,) = read_video_folder(tmp_path, model="NOVA", horizon="5s").video_sets
    assert (video_set.rows[0].model, video_set.rows[0].horizon) == ("NOVA", "5s")


def test_long_and_short_videos_are_two_sets(tmp_path: Path) -> None:
    for name, n_frames in (("a", 81), ("b", 81), ("c", 77), ("d", 489)):
        write_frames(tmp_path / f"{name}.mp4", n_frames=n_frames)
    sets = read_video_folder(tmp_path).video_sets
    assert [[row.prompt_id for row in video_set.rows] for video_set in sets] == [["a", "b", "c"], ["d"]]
    assert [video_set.rows[0].horizon for video_set in sets] == ["5s", "30s"]
    (problem,) = check_video_set(sets[0])
    assert problem.path.name == "c.mp4"
    assert problem.problem == "frames is 77, the protocol says 81"
    assert len(read_video_folder(tmp_path, horizon="all").video_sets) == 1


def test_a_folder_of_everything(tmp_path: Path) -> None:
    """Each bad file is one line that names it; each legal one, however strange, is in the set."""
    legal = {
        "odd.mp4": (31, 33, "yuv444p"),
        "grey.mp4": (32, 32, "gray"),
        "deep.mp4": (32, 32, "yuv420p10le"),
        "🦊 läuft 🎬.mp4": (32, 32, "yuv420p"),
        "x" * 236 + ".mp4": (32, 32, "yuv420p"),
        "upper.MP4": (32, 32, "yuv420p"),
    }
    for name, (height, width, pixel_format) in legal.items():
        write_frames(tmp_path / name, height=height, width=width, pixel_format=pixel_format)
    write_frames(tmp_path / "picture.mp4", n_frames=1)
    write_frames(tmp_path / "askew.mp4", rotation=45)
    write_frames(tmp_path / "turned.mp4", rotation=90)
    write_frames(tmp_path / "uneven.mp4", times=lambda number: number * number)
    write_frames(tmp_path / "twice.mp4")
    write_frames(tmp_path / "twice.mkv")
    write_sound(tmp_path / "sound.mp4")
    write_truncated(tmp_path / "cut.mp4")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "dangling.mp4").symlink_to(tmp_path / "gone.mp4")
    table = read_video_folder(tmp_path)
    assert {row.path for video_set in table.video_sets for row in video_set.rows} == {*legal, "turned.mp4"}
    found = {problem.path.name: problem.problem for problem in table.problems}
    expected = {
        "picture.mp4": "has one frame; it is a picture",
        "askew.mp4": "is stored rotated by -45 degrees",
        "uneven.mp4": "no constant frame rate",
        "twice.mp4": "shows the same sample as twice.mkv",
        "twice.mkv": "shows the same sample as twice.mp4",
        "sound.mp4": "has no video stream",
        "cut.mp4": "truncated",
        "empty.mp4": "is empty (0 bytes)",
        "text.mp4": "is not a video that can be decoded",
        "dangling.mp4": "There is no video file",
    }
    assert found.keys() == expected.keys()
    for name, text in expected.items():
        assert text in found[name]
        assert "\n" not in found[name]


def test_sound_subtitles_and_notes_beside_a_video_cost_nothing(tmp_path: Path) -> None:
    write_frames(tmp_path / "a man-0.mp4")
    write_frames(tmp_path / "no suffix.mp4")
    (tmp_path / "no suffix.mp4").rename(tmp_path / "a dog-0")
    for suffix in (".wav", ".WAV", ".srt", ".vtt", ".jpg", ".txt", ".json", ".md5", ".mp4.part", ".xyz", ""):
        (tmp_path / f"a man-0{suffix}").write_bytes(b"beside the video")
    table = read_video_folder(tmp_path)
    assert table.problems == []
    assert sorted(row.path for video_set in table.video_sets for row in video_set.rows) == ["a dog-0", "a man-0.mp4"]


def test_a_name_that_is_not_utf8_costs_its_own_row(tmp_path: Path) -> None:
    write_frames(tmp_path / "v" / "ok-0.mp4")
    strange = os.fsencode(tmp_path / "v") + b"/caf\xe9-0.mp4"
    with open(strange, "wb") as file:
        file.write((tmp_path / "v" / "ok-0.mp4").read_bytes())
    result = _run("score", tmp_path / "v", "--out", tmp_path / "runs")
    assert result.exit_code == 1
    assert r"caf\udce9-0.mp4 is not UTF-8" in result.output
    (run,) = (tmp_path / "runs").iterdir()
    assert set(read_scores(run)["prompt_id"]) == {"ok"}


def test_folders_that_are_not_looked_into_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_frames(tmp_path / "Human_Anatomy" / "a man-0.mp4")
    with pytest.raises(UserError, match=r"holds no video; the folders in it are not looked into: Human_Anatomy"):
        read_video_folder(tmp_path)
    write_frames(tmp_path / "a.mp4")
    assert len(read_video_folder(tmp_path).video_sets) == 1
    assert "not looked into: Human_Anatomy" in caplog.text


@pytest.mark.parametrize("name", ["table.CSV", "table.Jsonl"])
def test_tables_of_any_kind_and_case_are_scored_and_imported(name: str, tmp_path: Path) -> None:
    write_frames(tmp_path / "a.mp4")
    cells = {"file": "a.mp4", "prompt_id": "p", "prompt": "A cat, asleep", "horizon": "5s", "model": "M"}
    if name.endswith("CSV"):
        text = ",".join(cells) + "\n" + ",".join(f'"{cell}"' for cell in cells.values()) + "\n"
    else:
        text = json.dumps(cells)
    (tmp_path / name).write_text(text)
    for verb in ("score", "import"):
        result = _run(verb, tmp_path / name, "--out", tmp_path / verb)
        assert result.exit_code == 0, result.output
        assert (tmp_path / verb / "M--5s" / "manifest.json").is_file()


@pytest.mark.parametrize(
    ("model", "horizon"), [("M", "../../../x"), ("../../x", "5s"), ("/x", "..\\..\\x"), ("日", "5s")]
)
def test_no_cell_leads_out_of_the_output_folder(model: str, horizon: str, tmp_path: Path) -> None:
    write_frames(tmp_path / "a.mp4")
    cells = {"file": "a.mp4", "prompt_id": "p", "prompt": "A cat", "horizon": horizon, "model": model}
    (tmp_path / "t.jsonl").write_text(json.dumps(cells))
    out = tmp_path / "deep" / "er" / "runs"
    result = _run("import", tmp_path / "t.jsonl", "--out", out)
    assert result.exit_code == 0, result.output
    assert [path.parent.parent for path in tmp_path.rglob("manifest.json")] == [out]


def test_two_models_never_share_a_folder(tmp_path: Path) -> None:
    lines = []
    for number, model in enumerate(("a b", "a-b", "A_b")):
        write_frames(tmp_path / f"{number}.mp4")
        lines.append({"file": f"{number}.mp4", "prompt_id": "p", "prompt": "A cat", "horizon": "5s", "model": model})
    (tmp_path / "t.json").write_text(json.dumps(lines))
    assert _run("import", tmp_path / "t.json", "--out", tmp_path / "runs").exit_code == 0
    assert len(list((tmp_path / "runs").iterdir())) == 3
    (tmp_path / "u.json").write_text(json.dumps([lines[0] | {"model": "x y"}]))
    assert _run("import", tmp_path / "u.json", "--out", tmp_path / "runs").exit_code == 0
    (tmp_path / "u.json").write_text(json.dumps([lines[0] | {"model": "x/y"}]))
    refused = _run("import", tmp_path / "u.json", "--out", tmp_path / "runs")
    assert "holds videos of x y at 5s" in " ".join(refused.output.split())


def test_folders_without_videos_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no video"):
        read_video_folder(tmp_path)
    with pytest.raises(UserError, match="no folder"):
        read_video_folder(tmp_path / "gone")
    (tmp_path / "a.mp4").touch()
    table = read_video_folder(tmp_path)
    assert table.video_sets == []
    assert len(table.problems) == 1


def test_an_unreadable_folder_is_named() -> None:
    with folder_of_all() as folder:
        closed = folder / "closed"
        closed.mkdir()
        with ordinary_user(), pytest.raises(UserError, match="no video"):
            read_video_folder(closed)
        closed.chmod(0)
        with ordinary_user(), pytest.raises(UserError, match="cannot be read: Permission denied"):
            read_video_folder(closed)
        closed.chmod(0o700)


def test_a_folder_is_scored_in_one_command(tmp_path: Path) -> None:
    for name in ("A cat-0.mp4", "A cat-1.mp4"):
        write_frames(tmp_path / "theirs" / name)
    (tmp_path / "theirs" / "text.mp4").write_text("no video")
    result = _run("score", tmp_path / "theirs", "--out", tmp_path / "runs")
    assert result.exit_code == 1, "one file is no video"
    assert "error: " in result.output
    assert "text.mp4 is not a video" in result.output
    (run,) = (tmp_path / "runs").iterdir()
    table = read_scores(run)
    assert set(table["dimension"]) == {"temporal_flickering"}
    assert table["value"].notna().sum() == 2
    refused = _run("score", tmp_path / "theirs")
    assert refused.exit_code == 2
    assert "has no manifest" in refused.output


def test_folders_and_tables_are_imported(tmp_path: Path) -> None:
    write_frames(tmp_path / "NOVA" / "a.mp4")
    table = tmp_path / "videos.csv"
    table.write_text("file,prompt_id,prompt,horizon,model\nNOVA/a.mp4,p,A cat.,5s,MAGI-1\n")
    result = _run("import", tmp_path / "NOVA", table, "--out", tmp_path / "runs")
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["MAGI-1--5s", "NOVA--1s"]
    named = _run("import", tmp_path / "NOVA", "--out", tmp_path / "runs", "--model", "N", "--horizon", "30s")
    assert named.exit_code == 0
    assert (tmp_path / "runs" / "N--30s" / "manifest.json").is_file()
    refused = _run("import", table, "--out", tmp_path / "runs", "--model", "N")
    assert "names model and horizon itself" in refused.output
    twice = _run("import", tmp_path / "NOVA", tmp_path / "NOVA", "--out", tmp_path / "runs")
    assert "as a source before it did" in twice.output


def test_what_is_unusable_must_be_allowed(tmp_path: Path) -> None:
    write_frames(tmp_path / "NOVA" / "a.mp4")
    (tmp_path / "NOVA" / "b.mp4").touch()
    assert _run("import", tmp_path / "NOVA", "--out", tmp_path / "runs").exit_code == 1
    assert _run("import", tmp_path / "NOVA", "--out", tmp_path / "runs", "--allow-missing").exit_code == 0


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], terminal_width=200)
