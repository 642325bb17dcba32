import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probekit import provenance
from probekit.provenance import (
    command_line,
    git_state,
    hardware,
    package_versions,
    sha256_file,
    sha256_of_samples,
    sha256_of_settled,
    sha256_text,
)

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


def _git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    result = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return result.stdout.strip()


def _checkout(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    package = folder / "probekit"
    package.mkdir()
    (package / "__init__.py").write_text("")
    _git(folder, "init", "-q")
    monkeypatch.setattr(provenance, "_PACKAGE_FOLDER", package)
    return package


@needs_git
def test_commit_and_dirty_flag_of_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = _checkout(tmp_path, monkeypatch)
    _git(tmp_path, "add", "-A")
    _git(tmp_path, "commit", "-q", "-m", "one")
    assert git_state() == (_git(tmp_path, "rev-parse", "HEAD"), False)
    (tmp_path / "result.txt").write_text("what runs write does not make the source dirty")
    assert git_state().dirty is False
    (package / "new.py").write_text("")
    assert git_state().dirty is True


@needs_git
def test_a_copy_inside_another_checkout_has_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _checkout(tmp_path, monkeypatch)
    (tmp_path / "theirs.txt").write_text("")
    _git(tmp_path, "add", "theirs.txt")
    _git(tmp_path, "commit", "-q", "-m", "theirs")
    assert git_state() == (None, None)


def test_without_git_nothing_is_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert git_state() == (None, None)


def test_versions_of_installed_packages_only() -> None:
    versions = package_versions(["numpy", "no-such-distribution"])
    assert list(versions) == ["numpy"]
    assert versions["numpy"].startswith("2.")


def test_hashes_are_sha256(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(range(256)) * 9000)
    assert sha256_file(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    assert sha256_text("é") == hashlib.sha256(b"\xc3\xa9").hexdigest()


def test_command_line_is_quoted_and_without_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/home/somebody/bin/probekit", "score", "my videos"])
    assert command_line() == "probekit score 'my videos'"


@pytest.mark.parametrize("module", ["tool", "tool.cli"])
def test_a_package_that_runs_as_a_module_has_the_name_of_its_command(module: str, tmp_path: Path) -> None:
    """As children of a sweep run it: their cards must say a command that a reader can type."""
    folder = tmp_path.joinpath(*module.split("."))
    folder.mkdir(parents=True)
    (folder / "__main__.py").write_text("from probekit.provenance import command_line\n\nprint(command_line())\n")
    run = [sys.executable, "-m", module, "score", "x"]
    found = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "tool score x"


def test_hardware_names_processor_and_memory() -> None:
    facts = hardware()
    assert {"machine", "system", "processor", "cores", "memory_gib"} <= facts.keys()
    assert isinstance(facts["cores"], int)
    assert facts["cores"] >= 1


def test_a_file_is_hashed_once_while_it_does_not_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, file, hashes = list[Path](), tmp_path / "weights", list[str]()

    def counted(path: Path) -> str:
        read.append(path)
        return sha256_file(path)

    monkeypatch.setattr(provenance, "sha256_file", counted)
    for content, age in (("one", 60), ("one", 60), ("two", 50), ("six", 0), ("ten", 0)):
        if not file.is_file() or file.read_text() != content:
            file.write_text(content)
            os.utime(file, (time.time() - age,) * 2)
        hashes.append(sha256_of_settled(file))
    assert hashes == [sha256_text(content) for content in ("one", "one", "two", "six", "ten")]
    assert len(read) == 4  # not again for the second


def test_a_file_that_has_just_changed_is_always_read(tmp_path: Path) -> None:
    """Within one tick of the clock a second change leaves size and time as they were."""
    file, second = tmp_path / "weights", time.time_ns() // 10**9 * 10**9
    for content in ("one", "two", "six"):
        file.write_text(content)
        os.utime(file, ns=(second, second))
        assert sha256_of_settled(file) == sha256_text(content)


@given(content=st.binary(min_size=1, max_size=64), place=st.integers(0, 63), bits=st.integers(1, 255))
def test_samples_see_a_change_at_both_ends_and_in_the_middle_and_of_the_size(
    content: bytes, place: int, bits: int
) -> None:
    sample, place = 8, place % len(content)
    changed = bytearray(content)
    changed[place] ^= bits
    middle = (len(content) - sample) // 2
    seen = len(content) <= 3 * sample or any(
        start <= place < start + sample for start in (0, middle, len(content) - sample)
    )
    with TemporaryDirectory() as folder:
        file, hashes = Path(folder, "file"), list[str]()
        for written in (content, bytes(content), bytes(changed), content + b"x"):
            file.write_bytes(written)
            hashes.append(sha256_of_samples(file, sample))
    assert hashes[0] == hashes[1] != hashes[3]
    assert (hashes[2] != hashes[0]) == seen
