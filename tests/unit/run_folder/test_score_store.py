"""A score that was added is never lost: by a second writer, a kill, a power cut or a damaged file."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from probekit import folder_lock
from probekit.errors import UserError
from probekit.run_folder.score_store import ScoreStore, score_key
from probekit.run_folder.score_table import ScoreRow, read_scores
from probekit.run_folder.shard import Shard
from tests.helpers.refusals import CHANGES, Change, changed

KILLED = """
import os, sys
from pathlib import Path
from probekit.run_folder.score_store import ScoreStore
from probekit.run_folder.score_table import ScoreRow
from probekit.run_folder.shard import Shard
shard = Shard(int(sys.argv[2]), 2) if len(sys.argv) > 2 else None
with ScoreStore(Path(sys.argv[1]), shard) as store:
    for number in range(3):
        key = ("m", "r", "s", "5s", f"k{number}", 0, 0, "d")
        store.add(ScoreRow(*key, 0.5, None, None, None, "u", 0.0, 1.0, "x", "h"))
    if sys.stdin.read(1):
        os.kill(os.getpid(), 9)
"""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_lock, "_SECONDS_TO_TRY", 0.0)


def row(name: str, value: float = 0.25) -> ScoreRow:
    return ScoreRow("m", "r", "s", "5s", name, 0, 0, "d", value, None, None, None, "u", 0.0, 1.0, "x", "h")


def names(out: Path) -> list[str]:
    return list(read_scores(out)["prompt_id"])


def killed(out: Path, *shard: str) -> None:
    command = [sys.executable, "-c", KILLED, str(out), *shard]
    assert subprocess.run(command, input="x", text=True, check=False).returncode == -9


@pytest.mark.parametrize("shard", [None, Shard(0, 2)])
def test_a_second_writer_of_the_same_share_is_refused_and_no_row_is_lost(tmp_path: Path, shard: Shard | None) -> None:
    with ScoreStore(tmp_path, shard) as first:
        first.add(row("a"))
        for call in (lambda store: store.finished({}), lambda store: store.add(row("b"))):
            with pytest.raises(UserError, match=rf"scores is being written by process {os.getpid()}") as refused:
                call(ScoreStore(tmp_path, shard))
            assert "\n" not in str(refused.value)
        first.add(row("c"))
        first.flush()
    assert names(tmp_path) == ["a", "c"]
    with ScoreStore(tmp_path, shard) as second:
        assert {key.prompt_id for key in second.finished({})} == {"a", "c"}


@pytest.mark.parametrize(
    ("first", "second", "share"),
    [
        (None, Shard(0, 2), "all"),
        (Shard(0, 2), None, "shard 0 of 2"),
        (Shard(0, 2), Shard(1, 3), "shard 0 of 2"),
    ],
)
def test_shares_that_overlap_are_refused(tmp_path: Path, first: Shard | None, second: Shard | None, share: str) -> None:
    with ScoreStore(tmp_path, first), pytest.raises(UserError, match=rf"is being written by .*, which does {share}\."):
        ScoreStore(tmp_path, second).finished({})


def test_shares_of_one_split_work_side_by_side(tmp_path: Path) -> None:
    with ScoreStore(tmp_path, Shard(0, 3)) as one, ScoreStore(tmp_path, Shard(2, 3)) as other:
        one.add(row("a"))
        other.add(row("b"))
        assert {key.prompt_id for key in other.finished({})} == {"a", "b"}
        assert (tmp_path / "scores" / "shard-0-of-3.journal.jsonl").exists(), "its writer lives"
        one.flush()
    assert sorted(names(tmp_path)) == ["a", "b"]


def test_whoever_comes_next_takes_over_what_dead_writers_left(tmp_path: Path) -> None:
    killed(tmp_path, "0")
    killed(tmp_path)
    with ScoreStore(tmp_path, Shard(1, 2)) as store:
        assert {key.prompt_id for key in store.finished({})} == {"k0", "k1", "k2"}
    assert names(tmp_path) == ["k0", "k1", "k2"]
    left = {path.suffix for path in (tmp_path / "scores").iterdir()}
    assert left == {".parquet"}, "neither journals nor locks of the dead"


def test_damaged_lines_cost_themselves_and_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    killed(tmp_path)
    (journal,) = (tmp_path / "scores").glob("*.jsonl")
    good = journal.read_bytes().splitlines(keepends=True)
    wrong = [
        b"\0" * 40,
        b'["m", "r"]',
        b'{"model": "m"}',
        json.dumps([*row("w")[:8], 7.0, *row("w")[9:]]).encode(),  # outside its range
        json.dumps([*row("w")[:5], "zero", *row("w")[6:]]).encode(),
        json.dumps([*row("w")[:5], 2**70, *row("w")[6:]]).encode(),
        json.dumps(["\ud800", *row("w")[1:]]).encode(),
        json.dumps([*row("w"), "one more"]).encode(),
    ]
    journal.write_bytes(good[0] + b"\n".join(wrong) + b"\n" + good[1] + good[2][:30])
    with ScoreStore(tmp_path) as store:
        assert {key.prompt_id for key in store.finished({})} == {"k0", "k1"}
    assert names(tmp_path) == ["k0", "k1"]
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert {int(line.split("line ")[1].split(" ")[0]) for line in lines} == {*range(2, 2 + len(wrong)), 3 + len(wrong)}
    assert all(str(journal) in line for line in lines)


def test_a_damaged_table_is_set_aside_and_the_others_stay(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with ScoreStore(tmp_path) as store:
        for name in ("a", "b"):
            store.add(row(name))
            store.flush()
    first, second = sorted((tmp_path / "scores").glob("*.parquet"))
    first.write_bytes(bytes(first.stat().st_size))
    with ScoreStore(tmp_path) as store:
        assert {key.prompt_id for key in store.finished({})} == {"b"}
        store.add(row("a"))
        store.flush()
    assert names(tmp_path) == ["a", "b"]
    assert first.with_name(f"{first.name}.damaged").exists()
    assert second.exists()
    assert str(first) in caplog.text


@pytest.mark.long
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=CHANGES, of_table=st.booleans())
def test_any_bytes_in_a_score_folder_cost_at_most_what_they_changed(
    tmp_path: Path, changes: list[Change], of_table: bool
) -> None:
    out = tmp_path / "run"
    whole = [row(f"p{number}", number / 10) for number in range(6)]
    with ScoreStore(out) as store:
        for each in whole[:3]:
            store.add(each)
        store.flush()
        for each in whole[3:]:
            store.add(each)
    (victim,) = (out / "scores").glob("*.parquet" if of_table else "*.jsonl")
    before = victim.read_bytes()
    victim.write_bytes(changed(before, changes))
    kept = set(before.splitlines()) & set(victim.read_bytes().split(b"\n")[:-1])
    expected = (
        whole[3:] if of_table else [*whole[:3], *(each for each in whole[3:] if json.dumps(each).encode() in kept)]
    )
    try:
        with ScoreStore(out) as store:
            done = store.finished({})
    except UserError as error:  # a table whose bytes are legal Parquet, and whose values are not legal scores
        refused = str(error)
        assert of_table
        assert str(victim) in refused
    else:
        assert {score_key(each, "d", 0) for each in expected} <= done
    for path in (out / "scores").iterdir():
        path.unlink()
