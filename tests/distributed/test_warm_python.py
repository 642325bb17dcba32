"""Processes with torch loaded already are what `python` would have started, but for the wait."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.helpers.warm_python import PRELOADED, run_python, run_together, start_python

pytestmark = pytest.mark.long

ABOUT = """
import json, os, sys
print(json.dumps([sys.argv, os.getcwd(), os.environ.get("COLOUR"), sys.stdin.read(), __name__, sys.path[0]]))
print("to standard error", file=sys.stderr)
sys.exit(3)
"""


def test_it_gets_and_gives_what_a_cold_one_does(tmp_path: Path) -> None:
    env = os.environ | {"COLOUR": "blue"}
    arguments = ["-c", ABOUT, "one", "two words"]
    warm = run_python(arguments, tmp_path / "process", env=env, cwd=tmp_path, text="line\n")
    cold = subprocess.run(
        [sys.executable, *arguments], env=env, cwd=tmp_path, input="line\n", capture_output=True, text=True, check=False
    )
    ours, theirs = (done.stdout.rpartition(", ")[0] for done in (warm, cold))  # '' and the same folder end them
    assert ours == theirs
    assert (warm.returncode, warm.stderr) == (cold.returncode, cold.stderr) == (3, "to standard error\n")


def test_everything_heavy_is_there_when_it_starts(tmp_path: Path) -> None:
    code = "import sys; print([name for name in sys.argv[1:] if name not in sys.modules])"
    assert run_python(["-c", code, *PRELOADED, "torch", "diffusers"], tmp_path).stdout == "[]\n"


def test_an_error_is_told_and_a_signal_ends_it(tmp_path: Path) -> None:
    failed = run_python(["-c", "raise ValueError('broken')"], tmp_path)
    assert failed.returncode == 1
    assert "ValueError: broken" in failed.stderr
    process = start_python(["-c", "import time; print('up', flush=True); time.sleep(600)"], tmp_path)
    while process.output != "up\n":
        assert process.returncode is None
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL


def test_one_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    process = start_python(["-c", "import time; time.sleep(600)"], tmp_path)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.2)
    assert process.returncode == -signal.SIGKILL


def test_threads_start_them_side_by_side_and_each_hears_of_its_own(tmp_path: Path) -> None:
    code = "import sys; print(sys.argv[1]); sys.exit(int(sys.argv[1]))"
    numbers = range(1, 41)
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda number: run_python(["-c", code, str(number)], tmp_path / "both"), numbers))
    assert [(run.returncode, run.stdout) for run in runs] == [(number, f"{number}\n") for number in numbers]


def test_the_failure_of_one_ends_those_with_it(tmp_path: Path) -> None:
    code = "import os, sys, time; sys.exit('rank 1 fell') if os.environ['RANK'] == '1' else time.sleep(600)"
    with pytest.raises(AssertionError, match="rank 1 fell"):
        run_together(2, ["-c", code], tmp_path)
