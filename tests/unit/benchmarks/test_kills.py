"""The kill bench: it kills where it aims, and it sees what is lost."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.kills import victim
from benchmarks.kills.__main__ import Kill, table
from benchmarks.kills.verdicts import leftovers, of_videos
from benchmarks.kills.work import WORK
from tests.helpers.places import REPOSITORY
from tests.helpers.video_set_files import write_set

WRITER = """
import sys
from pathlib import Path
from probekit.atomic_files import write_text
out = Path(sys.argv[1])
for name in ("first", "second", "third"):
    write_text(out / "inner" / f"{name}.txt", name)
"""
EVENTS = [
    line.format(name)
    for name in ("first", "second", "third")
    for line in ("open inner/.tmp.txt", "rename inner/.tmp.txt -> inner/{}.txt")
]


def run(tmp_path: Path, **plan: Any) -> tuple[int, list[str], set[str]]:
    """Exit status, events and finished files of a writer under a plan."""
    hook, out = tmp_path / "hook" / "sitecustomize.py", tmp_path / "out"
    hook.parent.mkdir()
    out.mkdir()
    shutil.copy(victim.__file__, hook)
    (tmp_path / "writer.py").write_text(WRITER)
    whole = {"folder": str(out), "whose": "writer", "victim": "self", "at": None, "match": None, "nth": 1, **plan}
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(hook.parent), str(REPOSITORY)]),
        victim.PLAN: json.dumps({**whole, "log": str(tmp_path / "log")}),
    }
    command = [sys.executable, str(tmp_path / "writer.py"), str(out)]
    status = subprocess.run(command, env=environment, check=False).returncode
    events = (tmp_path / "log").read_text().splitlines() if (tmp_path / "log").exists() else []
    return status, events, {path.stem for path in out.rglob("*.txt") if path.name[0] != "."}


def test_without_an_aim_every_event_is_noted_and_nobody_dies(tmp_path: Path) -> None:
    status, events, files = run(tmp_path)
    assert status == 0
    assert [line for line in events if not line.startswith(("mkdir", "remove"))] == EVENTS
    assert files == {"first", "second", "third"}


@pytest.mark.parametrize(
    ("plan", "files"),
    [
        ({"at": 1}, set()),
        ({"match": "rename .* -> inner/second"}, {"first"}),
        ({"match": "open inner/", "nth": 3}, {"first", "second"}),
    ],
)
def test_the_victim_dies_before_the_event(tmp_path: Path, plan: dict[str, Any], files: set[str]) -> None:
    assert run(tmp_path, **plan)[::2] == (-9, files)


def test_other_processes_are_left_alone(tmp_path: Path) -> None:
    assert run(tmp_path, at=1, whose="somebody else")[0] == 0


def test_what_is_lost_changed_or_left_is_seen(tmp_path: Path) -> None:
    whole, found = tmp_path / "whole", tmp_path / "found"
    write_set(whole)
    shutil.copytree(whole, found)
    assert of_videos(whole, found) == []
    first, second = sorted((found / "videos").iterdir())
    first.unlink()
    second.write_bytes(b"other")
    (found / ".tmp-x").touch()
    assert of_videos(whole, found) == [
        f"lost: videos/{first.name}", f"differs: videos/{second.name}", "left: .tmp-x",
    ]  # fmt: skip
    assert leftovers(whole) == []


def test_every_kind_of_work_is_aimed_at() -> None:
    assert set(WORK) == {"sample", "score", "capture", "probe", "train", "report", "sweep"}
    assert all(work.aims for work in WORK.values())


def test_the_table_says_what_was_lost() -> None:
    kills = [Kill("score", "early", "killed", 3.0, []), Kill("train", "late", "killed", 4.0, ["lost: a", "left: b"])]
    text = table(kills)
    assert "SIGKILL 2 times" in text
    assert "1 kills lost" in text
    assert "| score | early | killed | 3 | nothing |" in text
    assert "| train | late | killed | 4 | lost: a; left: b |" in text
