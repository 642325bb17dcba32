"""Whatever a writer has finished is on the disk: nothing is renamed into place before it is synced."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from probekit.atomic_files import atomic_folder, atomic_path, copy_folder, write_bytes, write_json, write_text
from probekit.journal import Journal
from probekit.media.video_files import write_video
from probekit.run_folder.score_store import ScoreStore
from probekit.run_folder.score_table import ScoreRow, write_scores
from tests.helpers.power_cut import watched_disk

ROW = ScoreRow("m", "r", "s", "5s", "p", 0, 0, "d", 0.5, None, None, None, "share", 0.0, 1.0, "x.1", "ab")


def parquet(path: Path) -> None:
    with atomic_path(path) as temporary:
        pq.write_table(pa.table({"a": [1, 2]}), temporary)


def folder(path: Path) -> None:
    with atomic_folder(path) as temporary:
        (temporary / "inner").mkdir()
        (temporary / "inner" / "weights.bin").write_bytes(b"weights")
        (temporary / "config.json").write_text("{}")


def copied(path: Path) -> None:
    source = path.with_name("source")
    (source / "a").mkdir(parents=True, exist_ok=True)
    (source / "a" / "b.txt").write_text("b")
    copy_folder(source, path)


WRITERS: dict[str, Callable[[Path], object]] = {
    "bytes": lambda path: write_bytes(path, b"bytes"),
    "text": lambda path: write_text(path, "text"),
    "json": lambda path: write_json(path, {"a": 1}),
    "scores": lambda path: write_scores(path, [ROW]),
    "parquet": parquet,
    "video": lambda path: write_video(path.with_suffix(".mp4"), np.zeros((2, 16, 16, 3), np.uint8), 8),
    "folder": folder,
    "copy": copied,
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("again", [False, True])
def test_what_takes_a_name_is_on_the_disk(tmp_path: Path, name: str, again: bool) -> None:
    for _ in range(1 + again):
        with watched_disk() as disk:
            WRITERS[name](tmp_path / "target")
    assert disk.unsynced_renames == []
    assert tmp_path in disk.synced_folders, "the new name is on the disk as well"
    written = [path for path in tmp_path.rglob("*") if path.is_file() and "source" not in path.parts]
    assert written
    assert all(disk.after_power_cut(path) == path.read_bytes() for path in written)


def test_the_check_sees_a_rename_that_came_too_early(tmp_path: Path) -> None:
    with watched_disk() as disk:
        (tmp_path / "a").write_bytes(b"a")
        (tmp_path / "a").rename(tmp_path / "b")
    assert disk.unsynced_renames == [tmp_path / "a"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(VALUES, min_size=1, max_size=6))
def test_a_journals_line_is_on_the_disk_before_append_returns(tmp_path: Path, values: list[object]) -> None:
    path = tmp_path / "a.jsonl"
    path.unlink(missing_ok=True)
    with watched_disk() as disk:
        journal = Journal(path, synced=True)
        for number, value in enumerate(values, start=1):
            journal.append(value)
            lines = disk.after_power_cut(path).splitlines()
            assert len(lines) == number
            assert json.loads(lines[-1]) == value
        journal.close()
    assert tmp_path in disk.synced_folders


def test_a_score_is_on_the_disk_before_add_returns(tmp_path: Path) -> None:
    with watched_disk() as disk, ScoreStore(tmp_path) as store:
        store.add(ROW)
        (journal,) = (tmp_path / "scores").glob("*.jsonl")
        assert json.loads(disk.after_power_cut(journal)) == list(ROW)
        store.flush()
        assert not journal.exists()
        (table,) = (tmp_path / "scores").glob("*.parquet")
        assert disk.after_power_cut(table) == table.read_bytes()
