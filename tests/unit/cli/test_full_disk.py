"""A full or read-only disk at any point of a command: one line, nothing finished lost, and the next call finishes."""

import os
import resource
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from probekit.cli.main import app
from probekit.run_folder.score_table import read_scores
from tests.helpers.video_set_files import write_set

PROMPTS = ("a", "b", "c", "d")
LIMITS = (0, 120, 1_000, 3_000, 12_000)
"""Bytes that a file may have: smaller than a card, a lock, a journal, a table, a figure."""


def probekit(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def expect_one_line(result: Result) -> None:
    """Either it went through, or it is one line and no other exception than the exit."""
    assert result.exit_code in (0, 2), result.output
    assert isinstance(result.exception, SystemExit | None), result.exception
    lines = [line for line in result.output.splitlines() if line.startswith("error:")]
    assert len(lines) == (result.exit_code == 2)
    assert "Traceback" not in result.output


@pytest.fixture(scope="module")
def unscored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the suite of people's own prompts, whose scorers load no network."""
    root = tmp_path_factory.mktemp("disk") / "run"
    write_set(root, PROMPTS)
    card = root / "protocol.json"
    card.write_text(card.read_text().replace("sprite-test", "custom"))
    return root


@pytest.fixture(scope="module")
def scored(unscored: Path) -> Path:
    run = unscored.parent / "scored"
    shutil.copytree(unscored, run)
    assert probekit("score", run).exit_code == 0
    return run


@pytest.mark.parametrize("limit", LIMITS)
def test_scoring_on_a_full_disk_loses_nothing_that_was_scored(
    unscored: Path, scored: Path, tmp_path: Path, limit: int
) -> None:
    run = tmp_path / "run"
    shutil.copytree(unscored, run)
    with largest_file(limit):
        expect_one_line(probekit("score", run))
    journal = run / "scores" / "all.journal.jsonl"
    kept = journal.read_bytes().count(b"\n") if journal.exists() else 0
    again = probekit("score", run)
    assert again.exit_code == 0, again.output
    expected, found = read_scores(scored), read_scores(run)
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    assert kept <= len(expected)
    assert not [path for path in run.rglob("*") if path.suffix in (".jsonl", ".lock") or path.name.startswith(".tmp-")]


COMMANDS: dict[str, Callable[[Path, Path], tuple[object, ...]]] = {
    "compare": lambda run, out: ("compare", run, run, "--out", out),
    "report": lambda run, out: ("report", run, run, "--out", out),
    "total": lambda run, out: ("total", run),
    "horizon": lambda run, out: ("horizon", run, run, "--out", out),
    "systems": lambda run, out: ("systems", run, run, "--out", out),
    "manifest": lambda run, out: ("manifest", "check", run, "--allow-missing"),
    "export-vbench": lambda run, out: ("export-vbench", run, "--out", out),
    "import": lambda run, out: ("import", run / "videos", "--out", out),
}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("limit", LIMITS)
def test_any_command_on_a_full_disk_is_one_line(scored: Path, tmp_path: Path, name: str, limit: int) -> None:
    run = tmp_path / "run"
    shutil.copytree(scored, run)
    with largest_file(limit):
        expect_one_line(probekit(*COMMANDS[name](run, tmp_path / "out")))
    assert not list(tmp_path.rglob(".tmp-*"))


def test_what_a_library_raises_of_a_full_disk_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Also where no writer of ours is on the way: the place is named if the system says it."""
    for error, line in (
        (OSError(28, "No space left on device", str(tmp_path / "x")), f"error: {tmp_path / 'x'}: no space left"),
        (RuntimeError("write failed: No space left on device"), "error: A file: no space left on the device."),
        (OSError(30, "Read-only file system", "/mnt/x"), "error: /mnt/x: read-only file system."),
    ):

        def fail(*arguments: object, error: Exception = error, **options: object) -> None:
            raise error

        monkeypatch.setattr("probekit.workflows.score.runs_to_score", fail)
        result = probekit("score", tmp_path)
        expect_one_line(result)
        assert line in result.output
    monkeypatch.setattr("probekit.workflows.score.runs_to_score", lambda *arguments: 1 / 0)
    assert isinstance(probekit("score", tmp_path).exception, ZeroDivisionError), "defects stay visible"


def test_a_librarys_thread_is_silent_about_a_full_disk_and_loud_about_defects(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    probekit("total", "/nowhere")

    def fail(error: Exception) -> None:
        raise error

    for error in (OSError(28, "No space left on device"), ValueError("a defect")):
        thread = threading.Thread(target=fail, args=(error,))
        thread.start()
        thread.join()
    said = capsys.readouterr().err
    assert "a defect" in said
    assert "No space" not in said


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_may_not_be_written_is_one_line(scored: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(scored, run)
    for folder in (run, run / "scores"):
        folder.chmod(0o555)
    try:
        for command in (("score", run), ("compare", run, run, "--out", run / "out"), ("total", run)):
            expect_one_line(probekit(*command))
    finally:
        for folder in (run, run / "scores"):
            folder.chmod(0o755)
