import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probekit import atomic_files
from probekit.atomic_files import (
    atomic_folder,
    atomic_path,
    copy_folder,
    is_temporary,
    remove_leftovers,
    temporary_folder,
    write_bytes,
    write_csv,
    write_json,
    write_text,
)
from probekit.errors import UserError
from probekit.process_identity import this_process

LIMITED_WRITE = """
import resource, sys
from pathlib import Path
from probekit.atomic_files import write_bytes
from probekit.errors import UserError
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_bytes(Path(sys.argv[1]), bytes(5000))
except UserError as error:
    sys.stdout.write(error.problem)
"""


def test_target_appears_complete_in_a_new_folder(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "a.txt"
    write_text(target, "größe\n")
    assert target.read_bytes() == "größe\n".encode()
    assert list(target.parent.iterdir()) == [target]


def test_temporary_file_is_a_hidden_sibling_of_the_same_kind(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "clip.mp4") as temporary:
        temporary.write_bytes(b"x")
        assert (temporary.parent, temporary.suffix) == (tmp_path, ".mp4")
        assert is_temporary(temporary)
        assert not (tmp_path / "clip.mp4").exists()
    assert not is_temporary(tmp_path / "clip.mp4")


def test_failure_keeps_the_old_file_and_leaves_no_litter(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError, match="broke"):
        _break_half_way(target)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def _break_half_way(target: Path) -> None:
    with atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError("broke")


def test_full_target_names_the_file_and_keeps_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")
    command = [sys.executable, "-c", LIMITED_WRITE, str(target)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout == f"Cannot write {target}: file size limit exceeded."
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(UserError, match=r"taken/a\.txt: a file stands where a folder is needed"):
        write_bytes(tmp_path / "taken" / "a.txt", b"")


def test_target_that_is_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(UserError, match="a folder stands where the file should be"):
        write_bytes(tmp_path / "a.txt", b"")


def test_unrelated_errors_pass_unchanged(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "out.txt"):
        (tmp_path / "input.txt").read_text()


def test_json_is_stable_and_readable(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"b": [1, None], "a": "é"})
    assert path.read_text(encoding="utf-8") == '{\n "a": "é",\n "b": [\n  1,\n  null\n ]\n}\n'


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_json_refuses_what_json_cannot_say(tmp_path: Path, number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"score": number})
    assert list(tmp_path.iterdir()) == []


def test_json_round_trip(tmp_path: Path) -> None:
    value = {"x": 0.1, "rows": [{"a": True}, {}]}
    write_json(tmp_path / "a.json", value)
    assert json.loads((tmp_path / "a.json").read_text()) == value


def contents(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def write_export(path: Path, text: str, *, fail: bool = False) -> None:
    with atomic_folder(path) as temporary:
        (temporary / "inner").mkdir()
        (temporary / "inner" / f"{text}.txt").write_text(text)
        if fail:
            raise RuntimeError("broke")


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_folder_is_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchanges: bool) -> None:
    if not exchanges:
        monkeypatch.setattr(atomic_files, "_exchange", lambda one, other: False)
    target = tmp_path / "new" / "export"
    for text in ("first", "second"):
        write_export(target, text)
        assert contents(target) == {f"inner/{text}.txt": text}
    with pytest.raises(RuntimeError, match="broke"):
        write_export(target, "third", fail=True)
    assert contents(target) == {"inner/second.txt": "second"}
    assert list(target.parent.iterdir()) == [target]


def test_a_folder_is_never_missing_while_it_is_replaced(tmp_path: Path) -> None:
    """Exchanging names is one step; without it there would be a moment without the folder."""
    write_export(tmp_path / "export", "first")
    seen: list[bool] = []

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event in ("os.rename", "shutil.rmtree", "os.remove"):
            seen.append((tmp_path / "export" / "inner").is_dir())

    sys.addaudithook(hook)
    write_export(tmp_path / "export", "second")
    assert seen
    assert all(seen)


def test_a_link_to_a_folder_stays_a_link(tmp_path: Path) -> None:
    write_export(tmp_path / "big-disk" / "export", "first")
    (tmp_path / "export").symlink_to(tmp_path / "big-disk" / "export")
    write_export(tmp_path / "export", "second")
    assert (tmp_path / "export").is_symlink()
    assert contents(tmp_path / "big-disk" / "export") == {"inner/second.txt": "second"}


def test_a_copy_of_a_folder_has_all_that_the_folder_has(tmp_path: Path) -> None:
    write_export(tmp_path / "export", "text")
    copy_folder(tmp_path / "export", tmp_path / "kept" / "step-1")
    assert contents(tmp_path / "kept" / "step-1") == contents(tmp_path / "export")


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "export").write_text("a file")
    with pytest.raises(UserError, match="a file stands where a folder is needed"):
        write_export(tmp_path / "export", "x")
    assert (tmp_path / "export").read_text() == "a file"


KILLED_WRITER = """
import os, sys
from pathlib import Path
from probekit.atomic_files import atomic_folder, atomic_path
with atomic_path(Path(sys.argv[1]) / "a.txt") as file, atomic_folder(Path(sys.argv[1]) / "b") as folder:
    file.write_text("half")
    (folder / "half.txt").write_text("half")
    os.kill(os.getpid(), 9)
"""


def test_the_next_writer_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED_WRITER, str(tmp_path)], check=False).returncode == -9
    assert len(list(tmp_path.glob(".tmp-*"))) == 2
    write_text(tmp_path / "c.txt", "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["c.txt"]


def test_only_what_the_dead_left_is_removed(tmp_path: Path) -> None:
    machine, pid, started = this_process()
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    dead = [
        f".tmp-{child.pid}-00000000.mp4",
        f".tmp-{machine}-{child.pid}-1-00000000",
        f".tmp-{machine}-{pid}-1-00000000",
    ]
    alive = [
        f".tmp-{machine}-{pid}-{started}-00000000.txt",
        f".tmp-{os.getppid()}-00000000.txt",
        ".tmp-00000000-1-1-00000000.txt",
        ".tmp-by-something-else",
        "tmp-a.txt",
    ]
    for name in [*dead, *alive]:
        (tmp_path / name).write_text(name)
    remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(alive)
    yesterday = time.time() - 25 * 3600
    for name in alive:
        os.utime(tmp_path / name, (yesterday, yesterday))
    remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {alive[0], alive[1], alive[4]}, (
        "the others' writers are unknown"
    )


def test_temporary_folders_of_dead_processes_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    machine = this_process().machine
    (tmp_path / f".tmp-{machine}-1-1-00000000").mkdir()
    with temporary_folder() as folder:
        assert list(tmp_path.iterdir()) == [folder]
        assert folder.stat().st_mode & 0o077 == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        RuntimeError("PytorchStreamWriter failed: No space left on device"),
        RuntimeError("I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_known_whichever_library_says_so(tmp_path: Path, error: Exception) -> None:
    with (
        pytest.raises(UserError, match=r"Cannot write .*a\.bin: no space left on the device"),
        atomic_path(tmp_path / "a.bin"),
    ):
        raise error
    assert list(tmp_path.iterdir()) == []


def test_what_a_library_wrote_for_itself_alone_can_be_read_as_other_files_can(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    usual = (tmp_path / "usual").stat().st_mode
    with atomic_path(tmp_path / "weights.safetensors") as temporary:
        temporary.touch(mode=0o600)
    with atomic_folder(tmp_path / "model") as folder:
        (folder / "weights.safetensors").touch(mode=0o600)
        (folder / "run.sh").touch(mode=0o755)
    assert (tmp_path / "weights.safetensors").stat().st_mode == usual
    assert (tmp_path / "model" / "weights.safetensors").stat().st_mode == usual
    assert (tmp_path / "model" / "run.sh").stat().st_mode & 0o111


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5))
def test_a_table_keeps_nine_digits_of_fractions_and_all_of_the_rest(values: list[float]) -> None:
    frame = pd.DataFrame(
        {"value": values, "videos": 2**53 + 1, "star": True, "name": 'of "{0, 1}", once', "missing": None}
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        write_csv(path, frame)
        again = pd.read_csv(path)
        once = path.read_bytes()
        write_csv(path, again)
        assert path.read_bytes() == once
    np.testing.assert_allclose(again["value"], values, rtol=5.1e-9, atol=1e-307)
    pd.testing.assert_frame_equal(again[["videos", "star", "name"]], frame[["videos", "star", "name"]])
    assert again["missing"].isna().all()
