"""Which rows of a score folder still count: versions of videos and scorers, clip rules, and where rows come to lie."""

from pathlib import Path

import pytest

from probekit.errors import UserError
from probekit.run_folder.score_key import ScoreKey
from probekit.run_folder.score_store import ScoreStore, Version, score_key
from probekit.run_folder.score_table import ScoreRow, read_scores
from probekit.run_folder.shard import Shard

NEW = Version("h", "x")


def row(name: str, clip: int = 0, video: str = "h", scorer: str = "x", dimension: str = "d") -> ScoreRow:
    return ScoreRow("m", "r", "s", "5s", name, 0, clip, dimension, 0.5, None, None, None, "u", 0.0, 1.0, scorer, video)


def key(name: str, clip: int = 0, dimension: str = "d") -> ScoreKey:
    return ScoreKey("m", "r", "s", "5s", name, 0, clip, dimension)


def tables(out: Path) -> list[str]:
    return sorted(path.name for path in (out / "scores").glob("*.parquet"))


def kept(out: Path) -> list[tuple[str, int]]:
    found = read_scores(out)
    return sorted(zip(found["prompt_id"], found["clip"], strict=True))


def test_a_key_is_that_of_the_video_with_dimension_and_clip() -> None:
    assert score_key(row("a", clip=3), "other", 7) == key("a", 7, "other")


def test_rows_of_another_video_scorer_or_clip_rule_go_and_those_nobody_asks_about_stay(tmp_path: Path) -> None:
    with ScoreStore(tmp_path) as store:
        for one in (
            row("same"), row("video", video="old"), row("scorer", scorer="old", dimension="e"), row("clips", 0),
            row("clips", 1), row("clips", 2), row("nobody", video="old"),
            row("same", dimension="other", scorer="old"),
        ):  # fmt: skip
            store.add(one)
        store.flush()
    wanted = (
        {key(name): NEW for name in ("same", "video")}
        | {key("scorer", dimension="e"): NEW}
        | {key("clips", clip): NEW for clip in (0, 1)}
    )
    with ScoreStore(tmp_path) as store:
        done = store.finished(wanted)
    expected = {key("same"), key("clips", 0), key("clips", 1), key("nobody"), key("same", dimension="other")}
    assert done == expected
    assert kept(tmp_path) == [("clips", 0), ("clips", 1), ("nobody", 0), ("same", 0), ("same", 0)]
    assert tables(tmp_path) == ["all-0000.parquet"]


def test_a_table_of_outdated_rows_alone_is_removed_and_its_name_free_again(tmp_path: Path) -> None:
    with ScoreStore(tmp_path) as store:
        for name, scorer in (("a", "old"), ("b", "x")):
            store.add(row(name, scorer=scorer))
            store.flush()
    assert tables(tmp_path) == ["all-0000.parquet", "all-0001.parquet"]
    with ScoreStore(tmp_path) as store:
        assert store.finished({key("a"): NEW, key("b"): NEW}) == {key("b")}
        assert tables(tmp_path) == ["all-0001.parquet"]
        for name in ("a", "c"):
            store.add(row(name))
            store.flush()
    assert tables(tmp_path) == ["all-0000.parquet", "all-0001.parquet", "all-0002.parquet"]
    assert kept(tmp_path) == [("a", 0), ("b", 0), ("c", 0)]


def test_a_table_that_is_all_current_is_not_written_again(tmp_path: Path) -> None:
    with ScoreStore(tmp_path) as store:
        store.add(row("a"))
        store.flush()
    (path,) = (tmp_path / "scores").glob("*.parquet")
    before = path.stat().st_mtime_ns
    with ScoreStore(tmp_path) as store:
        store.finished({key("a"): NEW})
    assert path.stat().st_mtime_ns == before


def test_what_was_not_flushed_is_found_by_the_next_writer_unless_it_is_outdated_or_there(tmp_path: Path) -> None:
    with ScoreStore(tmp_path) as store:
        store.add(row("there"))
        store.flush()
        for one in (row("there"), row("left"), row("old", scorer="old")):
            store.add(one)
    assert kept(tmp_path) == [("there", 0)]
    with ScoreStore(tmp_path) as store:
        done = store.finished({key(name): NEW for name in ("there", "left", "old")})
        assert done == {key("there"), key("left")}
    assert kept(tmp_path) == [("left", 0), ("there", 0)]
    assert not list((tmp_path / "scores").glob("*.jsonl"))
    assert tables(tmp_path) == ["all-0000.parquet", "all-0001.parquet"]


def test_a_flush_without_rows_writes_nothing_and_rows_are_flushed_once(tmp_path: Path) -> None:
    with ScoreStore(tmp_path, Shard(1, 3)) as store:
        store.flush()
        assert tables(tmp_path) == []
        store.add(row("a"))
        store.flush()
        store.flush()
    assert tables(tmp_path) == ["shard-1-of-3-0000.parquet"]


def test_a_share_is_claimed_by_the_context_and_free_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probekit.folder_lock._SECONDS_TO_TRY", 0.0)
    store, other = ScoreStore(tmp_path), ScoreStore(tmp_path)
    with store, pytest.raises(UserError, match="is being written by"), other:
        pass
    with other:
        other.add(row("a"))
        with pytest.raises(UserError, match="is being written by"):
            store.add(row("b"))
    with store:
        assert store.finished({}) == {key("a")}
