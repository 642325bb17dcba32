"""Ctrl-C, once or twice, at any moment: one line and no traceback."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from probekit.cli.entry import INTERRUPTED
from tests.helpers.places import REPOSITORY

COMMAND = """
import sys, time
import typer
{early}
app = typer.Typer()

@app.command()
def work() -> None:
    try:
        print("ready", flush=True)
        {body}
    finally:
        print("tidying", flush=True)
        {tidy}
"""
SLEEP = "time.sleep(60)"


def start(folder: Path, early: str = "", body: str = SLEEP, tidy: str = "pass") -> "subprocess.Popen[str]":
    (folder / "slow_command.py").write_text(COMMAND.format(early=early, body=body, tidy=tidy))
    return subprocess.Popen(
        [sys.executable, "-c", "from probekit.cli.entry import run; run('slow_command')"],
        env=os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{REPOSITORY}"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def ended(process: "subprocess.Popen[str]") -> tuple[int, str]:
    out, error = process.communicate(timeout=50)
    return process.returncode, out + error


def test_one_interrupt_ends_a_command_after_it_tidied_up(tmp_path: Path) -> None:
    process = start(tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    status, output = ended(process)
    assert status == INTERRUPTED
    assert "tidying" in output
    assert "Aborted!" in output
    assert "Traceback" not in output


def test_a_second_interrupt_ends_it_at_once(tmp_path: Path) -> None:
    process = start(tmp_path, tidy=SLEEP)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "tidying\n"
    process.send_signal(signal.SIGINT)
    status, output = ended(process)
    assert status == INTERRUPTED
    assert "Traceback" not in output


def test_two_interrupts_in_a_row_leave_no_traceback(tmp_path: Path) -> None:
    process = start(tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.01)
    status, output = ended(process)
    assert status in (INTERRUPTED, -signal.SIGINT)  # Python gives the signal back to the system at its very end
    assert "Traceback" not in output


def test_an_interrupt_while_modules_load_is_one_line(tmp_path: Path) -> None:
    process = start(tmp_path, early='print("loading", flush=True); time.sleep(60)')
    assert process.stdout is not None
    assert process.stdout.readline() == "loading\n"
    process.send_signal(signal.SIGINT)
    assert ended(process) == (INTERRUPTED, "Aborted!\n")


@pytest.mark.parametrize(("body", "status"), [("pass", 0), ("raise typer.Exit(3)", 3)])
def test_the_status_of_a_command_is_its_own(tmp_path: Path, body: str, status: int) -> None:
    assert ended(start(tmp_path, body=body))[0] == status
