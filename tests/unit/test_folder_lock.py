"""One writer at a time, also after one has died, on one machine or on several."""

import json
import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from probekit import folder_lock
from probekit.errors import UserError
from probekit.folder_lock import owner_of, sole_writer

HOLD = """
import sys, time
from pathlib import Path
from probekit.folder_lock import sole_writer
with sole_writer(Path(sys.argv[1]), Path(sys.argv[1]).parent):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_lock, "_SECONDS_TO_TRY", 0.0)


def hold(lock: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(lock)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_writer_is_refused_in_one_line_until_the_first_ends(tmp_path: Path) -> None:
    lock = tmp_path / "run" / ".lock"
    first = hold(lock)
    with pytest.raises(UserError, match=rf"run is being written by process {first.pid} on ") as refused:
        with sole_writer(lock, tmp_path / "run"):
            pytest.fail("both write")
    assert "\n" not in str(refused.value)
    assert str(lock) in refused.value.fix
    owner = owner_of(lock)
    assert owner is not None
    assert owner.pid == first.pid
    first.kill()
    first.wait()
    assert owner_of(lock) is None, "the file of a killed owner is there, and stale"
    assert lock.exists()
    with sole_writer(lock, tmp_path / "run"):
        pass
    assert not lock.exists()


def test_one_process_cannot_hold_a_lock_twice(tmp_path: Path) -> None:
    with sole_writer(tmp_path / ".lock", tmp_path):
        with pytest.raises(UserError, match=f"process {os.getpid()}"), sole_writer(tmp_path / ".lock", tmp_path):
            pytest.fail("both write")
        assert owner_of(tmp_path / ".lock") is not None
    assert owner_of(tmp_path / ".lock") is None


def test_the_lock_is_left_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), sole_writer(tmp_path / ".lock", tmp_path):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_lock_whose_record_cannot_be_written_is_free_at_once(tmp_path: Path) -> None:
    """Even while the error, and with it what the failed call held, is still there."""
    lock, limits = tmp_path / ".lock", resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with pytest.raises(UserError) as refused, sole_writer(lock, tmp_path):
            pytest.fail("held without a record")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    with sole_writer(lock, tmp_path):
        assert owner_of(lock) is not None
    assert refused.value is not None


@pytest.mark.parametrize("content", [b"", b"garbage", bytes(50), b"[]", b"3", b'{"host": "h"}', b'{"pid": "x"}'])
def test_a_damaged_lock_file_keeps_nobody_out(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".lock").write_bytes(content)
    with sole_writer(tmp_path / ".lock", tmp_path):
        owner = owner_of(tmp_path / ".lock")
        assert owner is not None
        assert owner.pid == os.getpid()


def record(lock: Path, **changes: object) -> None:
    """Write an owner's record, as another machine or a dead process would have left it."""
    with sole_writer(lock, lock.parent):
        found = json.loads(lock.read_text())
    lock.write_text(json.dumps(found | changes))


def test_an_owner_on_another_machine_counts_while_it_touches_the_file(tmp_path: Path) -> None:
    """As on a network disk that keeps locks for each machine alone: only record and age can tell."""
    lock, ended = tmp_path / ".lock", threading.Event()
    record(lock, machine="0" * 8, host="elsewhere")
    assert owner_of(lock) is not None

    def touch() -> None:
        while not ended.wait(0.05):
            lock.touch()

    other = threading.Thread(target=touch)
    other.start()
    with pytest.raises(UserError, match="on elsewhere"), sole_writer(lock, tmp_path):
        pytest.fail("both write")
    ended.set()
    other.join()


def test_an_owner_on_another_machine_that_died_is_waited_for_until_it_is_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A job that was taken away and starts again on another machine goes on by itself."""
    caplog.set_level("INFO", "probekit")
    lock = tmp_path / ".lock"
    record(lock, machine="0" * 8, host="elsewhere")
    stale = time.time() - folder_lock._SECONDS_UNTIL_STALE + 1
    os.utime(lock, (stale, stale))
    started = time.monotonic()
    with sole_writer(lock, tmp_path):
        assert time.monotonic() - started > 0.2
    assert "waiting to see whether process" in caplog.text


def test_an_owner_touches_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_lock, "_SECONDS_BETWEEN_TOUCHES", 0.01)
    lock = tmp_path / ".lock"
    with sole_writer(lock, tmp_path):
        os.utime(lock, (0, 0))
        deadline = time.monotonic() + 30
        while lock.stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert lock.stat().st_mtime > 0


def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(folder_lock.errno.ENOLCK, "No locks available")

    monkeypatch.setattr(folder_lock.fcntl, "flock", refuse)


def test_where_the_disk_has_no_locks_the_record_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_locks(monkeypatch)
    lock = tmp_path / ".lock"
    with sole_writer(lock, tmp_path), pytest.raises(UserError, match="is being written"):
        with sole_writer(lock, tmp_path):
            pytest.fail("both write")
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    record(lock, pid=child.pid, started=1)
    with sole_writer(lock, tmp_path):
        pass  # its owner is dead
    record(lock, started=1)
    with sole_writer(lock, tmp_path):
        pass  # its owner is dead, and its number was given to this process


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="a file stands where a folder is needed"):
        with sole_writer(tmp_path / "file" / ".lock", tmp_path / "file"):
            pytest.fail("no such folder")
