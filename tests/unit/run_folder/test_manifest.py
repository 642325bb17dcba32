import json
import re
import shutil
from pathlib import Path

import pytest

from probekit.errors import UserError
from probekit.run_folder.manifest import load_video_set, manifest_path, read_manifest, write_manifest
from probekit.run_folder.sample_key import SampleKey
from probekit.run_folder.shard import Shard
from probekit.run_folder.video_set import Problem, VideoRow, video_path
from probekit.run_folder.video_set_check import check_video_set, inspect_video_set
from tests.helpers.video_set_files import FPS, N_FRAMES, SIZE, write_card, write_sample, write_set


def _only_problem(root: Path) -> Problem:
    (problem,) = check_video_set(load_video_set(root))
    return problem


def _rewrite(root: Path, **change: object) -> None:
    document = json.loads(manifest_path(root).read_text())
    document[0].update(change)
    manifest_path(root).write_text(json.dumps(document))


def test_row_describes_its_file(tmp_path: Path) -> None:
    row = write_sample(tmp_path, "a")
    assert (row.n_frames, row.height, row.width, row.fps) == (N_FRAMES, SIZE, SIZE, FPS)
    assert row.path == "videos/sprite-test__a__000.mp4"
    assert row.key() == SampleKey("sprite-test", "a", 0)
    assert len(row.sha256) == 64


def test_set_is_read_back_sorted(tmp_path: Path) -> None:
    rows = [write_sample(tmp_path, name) for name in ("c", "a", "b")]
    write_manifest(tmp_path, rows)
    card = write_card(tmp_path, 3)
    video_set = load_video_set(tmp_path)
    assert [row.prompt_id for row in video_set.rows] == ["a", "b", "c"]
    assert (video_set.protocol, video_set.root) == (card, tmp_path)
    assert check_video_set(video_set, {row.key() for row in rows}) == []


def test_shards_merge_to_the_whole_set(tmp_path: Path) -> None:
    rows = write_set(tmp_path, ("a", "b", "c"))
    whole = load_video_set(tmp_path)
    manifest_path(tmp_path).unlink()
    for index in range(2):
        write_manifest(tmp_path, rows[index::2], Shard(index, 2))
    assert sorted(path.name for path in tmp_path.glob("*.json")) == [
        "manifest.shard-0-of-2.json",
        "manifest.shard-1-of-2.json",
        "protocol.json",
    ]
    assert load_video_set(tmp_path) == whole
    assert check_video_set(whole) == []


def test_equal_rows_are_kept_once_and_different_ones_refused(tmp_path: Path) -> None:
    rows = write_set(tmp_path)
    write_manifest(tmp_path, rows[:1], Shard(0, 1))
    assert len(load_video_set(tmp_path).rows) == 2
    write_manifest(tmp_path, [rows[0].model_copy(update={"sha256": "0" * 64})], Shard(0, 1))
    found = load_video_set(tmp_path)
    assert found.rows == (rows[1],)
    (problem,) = found.problems
    assert problem.problem.startswith("lists sprite-test__a__000.mp4 unlike manifest.json, differently")


def test_duplicate_within_one_manifest_is_blamed_on_it(tmp_path: Path) -> None:
    rows = write_set(tmp_path)
    write_manifest(tmp_path, [*rows, rows[0]], Shard(0, 1))
    assert len(load_video_set(tmp_path).rows) == 2
    manifest_path(tmp_path).unlink()
    write_manifest(tmp_path, [*rows, rows[0].model_copy(update={"sha256": "0" * 64})], Shard(0, 1))
    found = load_video_set(tmp_path)
    assert found.rows == (rows[1],), "two files of one key: neither counts, the rest stays"
    (problem,) = found.problems
    assert problem.path == manifest_path(tmp_path, Shard(0, 1))
    assert problem.problem.startswith("lists sprite-test__a__000.mp4 twice, differently")
    with pytest.raises(UserError, match=r"manifest\.shard-0-of-1\.json lists videos/.*a__000\.mp4 twice, differently"):
        read_manifest(manifest_path(tmp_path, Shard(0, 1)))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"model": "other"}, "model: 'base', 'other'"),
        ({"training_run": "r1"}, "training run: 'r0', 'r1'"),
        ({"suite": "custom"}, "suite: 'custom', 'sprite-test'"),
        ({"horizon": "30s"}, "horizon: '30s', '5s'"),
    ],
)
def test_one_set_has_one_source(tmp_path: Path, change: dict[str, object], named: str) -> None:
    write_set(tmp_path)
    _rewrite(tmp_path, **change)
    with pytest.raises(UserError, match=f"more than one {named}\\. Fix: Keep"):
        load_video_set(tmp_path)


def test_one_file_of_two_keys_is_found(tmp_path: Path) -> None:
    rows = write_set(tmp_path)
    same = rows[1].model_copy(update={"path": f"videos/../{rows[0].path}", "sha256": rows[0].sha256})
    write_manifest(tmp_path, [rows[0], same])
    (tmp_path / rows[1].path).unlink()
    problem = _only_problem(tmp_path)
    assert problem.path.resolve() == (tmp_path / rows[0].path).resolve()
    assert problem.problem == "listed as two videos, sprite-test__a__000.mp4 and sprite-test__b__000.mp4"


def test_clips_of_one_video_share_its_file(tmp_path: Path) -> None:
    rows = write_set(tmp_path, ("a",))
    write_manifest(tmp_path, [rows[0].model_copy(update={"clip": clip}) for clip in range(2)])
    assert check_video_set(load_video_set(tmp_path)) == []


def test_unfinished_files_of_a_killed_writer_are_ignored(tmp_path: Path) -> None:
    write_set(tmp_path)
    (tmp_path / ".tmp-1-ab.json").write_text("[")
    (tmp_path / "videos" / ".tmp-1-ab.mp4").write_text("half")
    assert check_video_set(load_video_set(tmp_path)) == []


def test_missing_shard_is_found(tmp_path: Path) -> None:
    write_set(tmp_path, shard=Shard(1, 2))
    manifest_path(tmp_path).unlink(missing_ok=True)
    assert _only_problem(tmp_path) == (tmp_path / "manifest.shard-0-of-2.json", "this worker's manifest is missing")


def test_stray_shard_is_found(tmp_path: Path) -> None:
    write_set(tmp_path, shard=Shard(0, 1))
    stray = tmp_path / "manifest.shard-5-of-2.json"
    stray.write_text("[]")
    assert _only_problem(tmp_path) == (stray, "there is no shard 5 of 2; shards are counted from 0")


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda path: path.unlink(), "There is no video file"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_bytes(path.read_bytes()[:2000]), "truncated"),
        (lambda path: path.write_bytes(path.read_bytes() + bytes(8)), "its content changed"),
        (lambda path: shutil.copy(path.with_name("sprite-test__b__000.mp4"), path), "its content changed"),
    ],
)
def test_damaged_file_is_found(tmp_path: Path, damage: object, named: str) -> None:
    rows = write_set(tmp_path)
    assert callable(damage)
    damage(tmp_path / rows[0].path)
    problem = _only_problem(tmp_path)
    assert problem.path == tmp_path / rows[0].path
    assert named in problem.problem


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"n_frames": 81}, "frames is 5, the manifest says 81"),
        ({"height": 64}, "height is 32, the manifest says 64"),
        ({"width": 64}, "width is 32, the manifest says 64"),
        ({"fps": 8.0}, "fps is 16.0, the manifest says 8.0"),
        ({"sha256": "0" * 64}, "its content changed after the manifest was written"),
    ],
)
def test_manifest_that_does_not_describe_its_file_is_found(
    tmp_path: Path, change: dict[str, object], problem: str
) -> None:
    write_set(tmp_path)
    _rewrite(tmp_path, **change)
    assert _only_problem(tmp_path).problem == problem


def test_frame_rates_that_differ_by_rounding_are_equal(tmp_path: Path) -> None:
    write_set(tmp_path)
    _rewrite(tmp_path, fps=16.000001)
    assert check_video_set(load_video_set(tmp_path)) == []
    _rewrite(tmp_path, fps=16.0001)
    assert "fps is 16.0, the manifest says 16.0001" in _only_problem(tmp_path).problem


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n_frames", 0),
        ("height", 0),
        ("width", -1),
        ("fps", 0.0),
        ("fps", -16.0),
        ("fps", float("inf")),
        ("sha256", "ab"),
        ("sha256", "g" * 64),
        ("sha256", "0" * 64 + "\n"),
        ("sample", -1),
        ("clip", -1),
        ("path", "/videos/a.mp4"),
        ("path", ""),
    ],
)
def test_impossible_row_is_refused(tmp_path: Path, field: str, value: object) -> None:
    rows = write_set(tmp_path)
    _rewrite(tmp_path, **{field: value})
    found = load_video_set(tmp_path)
    assert found.rows == (rows[1],)
    *first, problem = found.problems
    assert all("holds Infinity" in other.problem for other in first)  # which is no JSON, so rows are read one by one
    assert re.search(rf"manifest\.json, (video 1|at character 1): {field} = .* is not allowed", problem.problem)
    with pytest.raises(UserError, match=rf"video 1: {field} = |holds Infinity"):
        read_manifest(manifest_path(tmp_path))


@pytest.mark.parametrize(
    ("prompt_id", "named"), [("a/b", "'a/b'"), ("..", "'..'"), ("../../etc", "etc"), ("x" * 300, "300 characters")]
)
def test_identifiers_that_are_no_file_name_cost_one_line(tmp_path: Path, prompt_id: str, named: str) -> None:
    rows = write_set(tmp_path)
    _rewrite(tmp_path, prompt_id=prompt_id)
    found = load_video_set(tmp_path)
    assert found.rows == (rows[1],)
    assert [problem for problem in check_video_set(found) if problem.path.suffix == ".json"] == list(found.problems)
    (problem,) = found.problems
    assert "manifest.json, video 1: The prompt_id" in problem.problem
    assert named in problem.problem


def test_whole_rows_of_a_damaged_manifest_are_read_wherever_they_begin(tmp_path: Path) -> None:
    """At the first character, right after a brace that opens nothing, and after one that opens too much."""
    first, second, third = write_set(tmp_path, ("a", "b", "c"))
    texts = [json.dumps(row.model_dump(mode="json")) for row in (first, second, third)]
    deep = '{"a":' * 1_500  # more than JSON is read to
    manifest_path(tmp_path).write_text(f"{texts[0]}, {{{texts[1]}, {deep} {texts[2]}")
    found = load_video_set(tmp_path)
    assert found.rows == (first, second, third)
    assert [problem.path for problem in found.problems] == [manifest_path(tmp_path)]


def test_three_rows_of_a_key_that_differ_are_one_problem(tmp_path: Path) -> None:
    rows = write_set(tmp_path)
    others = [rows[0].model_copy(update={"sha256": digit * 64}) for digit in "01"]
    write_manifest(tmp_path, others, Shard(0, 1))
    found = load_video_set(tmp_path)
    assert found.rows == (rows[1],)
    (problem,) = found.problems
    assert problem.problem.startswith("lists sprite-test__a__000.mp4 unlike manifest.json")


def test_a_set_without_any_legal_row_is_refused(tmp_path: Path) -> None:
    write_set(tmp_path, ("a",))
    _rewrite(tmp_path, prompt_id="a/b")
    with pytest.raises(UserError, match="'a/b'"):
        load_video_set(tmp_path)


def test_names_that_differ_only_in_case_are_found(tmp_path: Path) -> None:
    rows = write_set(tmp_path, ("a", "A", "b"))
    found = inspect_video_set(load_video_set(tmp_path))
    (note,) = found.notes
    assert note.path == tmp_path / rows[1].path
    assert note.problem.startswith(f"differs only in case from {rows[0].path}")
    assert (found.absent, found.wrong) == ({}, []), "this disk holds both"


def test_entries_of_one_text_may_share_a_file(tmp_path: Path) -> None:
    """VBench has two texts that are two entries each; in its folders both are one video."""
    rows = write_set(tmp_path)
    (tmp_path / rows[1].path).unlink()
    twin = rows[1].model_copy(update={"path": rows[0].path, "sha256": rows[0].sha256, "prompt": rows[0].prompt})
    write_manifest(tmp_path, [rows[0], twin])
    assert check_video_set(load_video_set(tmp_path)) == []


def test_missing_and_broken_videos_are_told_from_wrong_ones(tmp_path: Path) -> None:
    rows = write_set(tmp_path, ("a", "b", "c", "d"))
    (tmp_path / rows[0].path).unlink()
    (tmp_path / rows[1].path).write_bytes(b"no video")
    shutil.copy(tmp_path / rows[3].path, tmp_path / rows[2].path)
    planned = {row.key() for row in rows} | {SampleKey("sprite-test", "e", 0)}
    found = inspect_video_set(load_video_set(tmp_path), planned)
    assert [key.prompt_id for key in found.absent] == ["a", "b", "e"]
    assert [problem.path.name for problem in found.wrong] == ["sprite-test__c__000.mp4"]
    assert found.planned == 5


def test_video_outside_the_folder_is_legal(tmp_path: Path) -> None:
    (row,) = write_set(tmp_path / "videos-of-others", ("a",))
    root = tmp_path / "imported"
    root.mkdir()
    write_manifest(root, [row.model_copy(update={"path": f"../videos-of-others/{row.path}"})])
    write_card(root, 1)
    assert check_video_set(load_video_set(root)) == []


def test_video_of_another_length_than_the_protocol_is_found(tmp_path: Path) -> None:
    short = write_sample(tmp_path, "a", n_frames=N_FRAMES - 1)
    write_manifest(tmp_path, [short])
    write_card(tmp_path, 1)
    assert _only_problem(tmp_path).problem == "frames is 4, the protocol says 5"


def test_file_without_a_row_is_found(tmp_path: Path) -> None:
    write_set(tmp_path)
    extra = tmp_path / "videos" / "sprite-test__z__000.mp4"
    shutil.copy(tmp_path / video_path(SampleKey("sprite-test", "a", 0)), extra)
    assert _only_problem(tmp_path) == (extra, "not in the manifest")


def test_plan_is_compared_both_ways(tmp_path: Path) -> None:
    write_set(tmp_path)
    planned = {SampleKey("sprite-test", "a", 0), SampleKey("sprite-test", "c", 0)}
    found = [(path.name, text) for path, text in check_video_set(load_video_set(tmp_path), planned)]
    assert found == [
        ("sprite-test__c__000.mp4", "planned, but not in the manifest"),
        ("sprite-test__b__000.mp4", "in the manifest, but not planned"),
    ]


def test_folder_without_manifest_or_protocol_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no manifest in"):
        load_video_set(tmp_path)
    write_set(tmp_path)
    (tmp_path / "protocol.json").unlink()
    with pytest.raises(UserError, match=r"protocol\.json"):
        load_video_set(tmp_path)


@pytest.mark.parametrize(("text", "named"), [("[{", "is not JSON"), ("{}", "is not a list"), ("[3]", "video 1")])
def test_broken_manifest_is_named(tmp_path: Path, text: str, named: str) -> None:
    manifest_path(tmp_path).write_text(text)
    with pytest.raises(UserError, match=named):
        read_manifest(manifest_path(tmp_path))


def test_misspelt_column_names_its_neighbour(tmp_path: Path) -> None:
    rows = write_set(tmp_path)
    document = rows[0].model_dump() | {"n_frame": 5}
    manifest_path(tmp_path).write_text(json.dumps([document]))
    with pytest.raises(UserError, match="Did you mean 'n_frames'"):
        read_manifest(manifest_path(tmp_path))


@pytest.mark.parametrize(("index", "count"), [(2, 2), (-1, 2), (0, 0)])
def test_impossible_shard_is_refused(index: int, count: int) -> None:
    with pytest.raises(UserError, match="no shard"):
        Shard(index, count)


def test_rows_survive_json(tmp_path: Path) -> None:
    rows = write_set(tmp_path)
    assert read_manifest(manifest_path(tmp_path)) == rows
    assert [VideoRow.model_validate_json(row.model_dump_json()) for row in rows] == rows


def test_a_picture_is_nothing_to_score(tmp_path: Path) -> None:
    rows = [write_sample(tmp_path, "a"), write_sample(tmp_path, "b", n_frames=1)]
    write_manifest(tmp_path, rows)
    write_card(tmp_path, 2)
    found = inspect_video_set(load_video_set(tmp_path))
    assert found.wrong == []
    assert found.absent[rows[1].key()].problem.endswith("has one frame; it is a picture.")
