"""Children end with their parent, however it ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from probekit.children import passing_on_signals, run_child, start_child
from probekit.process_identity import ProcessIdentity, machine_digits

STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
with open(sys.argv[1], "w") as file:
    file.write(f"{os.getpid()}\\n")
time.sleep(600)
"""
PARENT = """
import signal, sys, time
from probekit.children import start_child
signal.signal(signal.SIGINT, signal.default_int_handler)  # which what runs in the background has switched off
child = start_child("stubborn", [sys.argv[1]])
print("started", flush=True)
{then}
"""
SAVING = """
import os, signal, sys, time
def save(*_):
    time.sleep(1)
    with open(sys.argv[1] + "-saved", "w") as file:
        file.write("whole")
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
with open(sys.argv[1], "w") as file:
    file.write(f"{os.getpid()}\\n")
time.sleep(600)
"""
RUNNING = """
import signal, sys
from concurrent.futures import ThreadPoolExecutor
from probekit.children import passing_on_signals, run_child
signal.signal(signal.SIGINT, signal.default_int_handler)
def run_two():
    run_child("saving", [sys.argv[1]])
    run_child("saving", [sys.argv[1] + "-second"])
print("started", flush=True)
with passing_on_signals():
    {run}
"""
IN_A_THREAD = "with ThreadPoolExecutor(1) as pool: pool.submit(run_two).result()"
POOL = """
import sys, time
from functools import partial
from probekit.evaluation.scoring.worker_pool import WorkerPool
from pool_handler import make_handler
if __name__ == "__main__":
    with WorkerPool(partial(make_handler, sys.argv[1]), 1) as pool:
        pool.submit(1)
        print("started", flush=True)
        list(pool.events())
"""
HANDLER = """
import os, time
def make_handler(path):
    return lambda task: handle(path)
def handle(path):
    with open(path, "w") as file:
        file.write(f"{os.getpid()}\\n")
    time.sleep(600)
    yield 1
"""


def eventually(condition: Callable[[], bool], seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def is_running(pid: int) -> bool:
    return ProcessIdentity(machine_digits(), pid, 0).is_running()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "stubborn.py").write_text(STUBBORN)
    (tmp_path / "saving.py").write_text(SAVING)
    (tmp_path / "pool_handler.py").write_text(HANDLER)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    return tmp_path


def start(folder: Path, script: str) -> tuple["subprocess.Popen[str]", int]:
    """A parent, and the number of its child once that is at work."""
    path, noted = folder / "parent.py", folder / "pid"
    path.write_text(script)
    parent = subprocess.Popen([sys.executable, str(path), str(noted)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "started\n"
    assert eventually(lambda: noted.exists() and noted.read_text().endswith("\n"))
    child = int(noted.read_text())
    assert is_running(child)
    return parent, child


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_child_ends_with_a_parent_that_is_killed(folder: Path, end: signal.Signals) -> None:
    parent, child = start(folder, PARENT.format(then="time.sleep(600)"))
    parent.send_signal(end)
    parent.wait()
    assert eventually(lambda: not is_running(child))


@pytest.mark.parametrize("run", ["run_two()", IN_A_THREAD])
@pytest.mark.parametrize(("end", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, -signal.SIGINT)])
def test_a_child_that_is_run_saves_before_its_interrupted_parent_ends_and_none_is_started(
    folder: Path, run: str, end: signal.Signals, status: int
) -> None:
    parent, child = start(folder, RUNNING.format(run=run))
    parent.send_signal(end)
    assert parent.wait() == status
    assert (folder / "pid-saved").read_text() == "whole"
    assert not is_running(child)
    assert not (folder / "pid-second").exists()


def test_a_signal_that_is_ignored_in_the_background_stays_so() -> None:
    previous, of_sigterm = signal.signal(signal.SIGINT, signal.SIG_IGN), signal.getsignal(signal.SIGTERM)
    try:
        with passing_on_signals():
            assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) != of_sigterm
        assert signal.getsignal(signal.SIGTERM) == of_sigterm
    finally:
        signal.signal(signal.SIGINT, previous)


@pytest.mark.parametrize("then", ["sys.exit(0)", "raise RuntimeError", "import os; os._exit(3)"])
def test_a_child_ends_with_a_parent_that_ends_by_itself(folder: Path, then: str) -> None:
    wait = "\nimport os\nwhile not os.path.exists(sys.argv[1] + '-go'): time.sleep(0.02)\n"
    parent, child = start(folder, PARENT.format(then=wait + then))
    (folder / "pid-go").touch()
    parent.wait()
    assert eventually(lambda: not is_running(child))


def test_the_pipe_alone_is_enough(folder: Path) -> None:
    """As on a system that does not signal the death of a parent."""
    source = (Path(__file__).parents[2] / "probekit" / "children.py").read_text()
    assert "prctl(_PR_SET_PDEATHSIG" in source
    without = folder / "probekit" / "children.py"
    without.parent.mkdir()
    without.write_text(source.replace("prctl(_PR_SET_PDEATHSIG", "prctl(0"))
    (without.parent / "__init__.py").write_text("")
    parent, child = start(folder, PARENT.format(then="time.sleep(600)"))
    parent.kill()
    parent.wait()
    assert eventually(lambda: not is_running(child))


def test_a_worker_in_the_middle_of_its_work_ends_with_the_pools_process(folder: Path) -> None:
    parent, child = start(folder, POOL)
    parent.kill()
    parent.wait()
    assert eventually(lambda: not is_running(child))


def test_a_child_is_a_module_like_any_other(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with out.open("wb") as file:
        assert run_child("json.tool", ["--compact", "--help"], stdout=file) == 0
    assert out.read_text().startswith("usage: ")
    assert run_child("this_module_is_not_there", [], stderr=subprocess.DEVNULL) == 1
    child = start_child("timeit", ["-n", "1", "pass"], stdout=subprocess.PIPE, text=True)
    assert "1 loop" in child.communicate()[0]
