"""Python processes that have torch and the project loaded already: ten seconds of imports less for each.

They are processes of their own, with their own memory, files, signals and exit status, forked from a server that has
only imported. A test about importing itself, or about variables that torch reads when it is loaded, starts a cold one.
"""

import multiprocessing
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final, NoReturn

_SERVER: Final = multiprocessing.get_context("forkserver")
PRELOADED: Final = (
    "probekit.cli.main",
    "probekit.workflows.sample",
    "trainer.cli",
    "trainer.launch",
    "trainer.stages.asymmetric_dmd",
    __name__,
)
_SERVER.set_forkserver_preload(list(PRELOADED))  # a name that is none is passed over in silence
_PATIENCE: Final = 300.0
# An exit status can be read once, and starting a process reads those of all that ended: never in two threads at once.
_ONE_AT_A_TIME: Final = threading.Lock()


class WarmProcess:
    """A running process, as `subprocess.Popen` has it.

    Args:
        arguments: `-c code ...` or `-m module ...`, as of the interpreter.
        folder: an empty folder, which exists, for what the process reads and writes.
        env: variables in place of this process's.
        cwd: folder to work in.
        text: what stands in its standard input.
    """

    def __init__(
        self, arguments: Sequence[str], folder: Path, *, env: Mapping[str, str] | None, cwd: Path | None, text: str
    ) -> None:
        self.arguments, self._folder = [sys.executable, *arguments], folder
        (folder / "stdin").write_text(text)
        variables = dict(os.environ if env is None else env)
        self._process: BaseProcess = _SERVER.Process(
            target=_live, args=(list(arguments), folder, variables, cwd or Path.cwd()), daemon=True
        )
        with _ONE_AT_A_TIME:
            self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        """Exit status, minus the signal that ended it, or None while it runs."""
        with _ONE_AT_A_TIME:
            return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float = _PATIENCE) -> int:
        """Wait for its end; a process that takes longer is killed."""
        end = time.monotonic() + timeout
        while (status := self.returncode) is None:
            if time.monotonic() > end:
                self.kill()
                self._process.join()
                raise subprocess.TimeoutExpired(self.arguments, timeout, self.output, self.errors)
            time.sleep(0.01)
        return status

    @property
    def output(self) -> str:
        """What it has written to its standard output."""
        return (self._folder / "stdout").read_text() if (self._folder / "stdout").is_file() else ""

    @property
    def errors(self) -> str:
        """What it has written to its standard error."""
        return (self._folder / "stderr").read_text() if (self._folder / "stderr").is_file() else ""


def start_python(
    arguments: Sequence[str],
    folder: Path,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    text: str = "",
) -> WarmProcess:
    """Start `python ARGUMENTS` from an interpreter that has the project loaded; see `WarmProcess`."""
    folder.mkdir(parents=True, exist_ok=True)
    own = Path(tempfile.mkdtemp(prefix="process-", dir=folder))
    return WarmProcess(arguments, own, env=env, cwd=cwd, text=text)


def run_python(
    arguments: Sequence[str],
    folder: Path,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    text: str = "",
) -> "subprocess.CompletedProcess[str]":
    """Run `python ARGUMENTS` to its end; see `WarmProcess`."""
    process = start_python(arguments, folder, env=env, cwd=cwd, text=text)
    status = process.wait()
    return subprocess.CompletedProcess(process.arguments, status, process.output, process.errors)


class WarmChildren:
    """In place of `probekit.children`: the same children, with torch loaded; what they say is in the folder.

    Args:
        folder: an empty folder for what they read and write.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def start_child(self, module: str, arguments: Sequence[str], **options: object) -> WarmProcess:
        """Start `python -m module arguments`."""
        return start_python(["-m", module, *arguments], self._folder)

    def run_child(self, module: str, arguments: Sequence[str], **options: object) -> int:
        """Run it to its end; returns its exit status."""
        return self.start_child(module, arguments).wait()


def start_together(count: int, arguments: Sequence[str], folder: Path) -> list[WarmProcess]:
    """Start processes that know one another, with the variables that torchrun sets; one alone gets none."""
    if count == 1:
        return [start_python(arguments, folder)]
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = {"MASTER_ADDR": "localhost", "MASTER_PORT": str(free.getsockname()[1])}
    sizes = {"WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count)}
    ranks = [{"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(count)]
    return [start_python(arguments, folder, env=os.environ | address | sizes | rank) for rank in ranks]


def run_together(count: int, arguments: Sequence[str], folder: Path) -> None:
    """Run processes that know one another to their end; the failure of one ends the others.

    Raises:
        AssertionError: One failed; with what all of them said.
    """
    processes = start_together(count, arguments, folder)
    end = time.monotonic() + _PATIENCE
    while any(process.returncode is None for process in processes):
        if time.monotonic() > end or any(process.returncode for process in processes):
            break
        time.sleep(0.01)
    failed = any(process.returncode != 0 for process in processes)
    for process in processes:
        if process.returncode is None:
            process.kill()
            process.wait()
    assert not failed, "\n".join(process.errors[-3000:] for process in processes)


def _live(arguments: list[str], folder: Path, variables: dict[str, str], cwd: Path) -> NoReturn:
    """What the forked process does: become what the interpreter would be."""
    for name, descriptor, flags in (
        ("stdin", 0, os.O_RDONLY),
        ("stdout", 1, os.O_WRONLY | os.O_CREAT),
        ("stderr", 2, os.O_WRONLY | os.O_CREAT),
    ):
        os.dup2(os.open(folder / name, flags, 0o644), descriptor)
    sys.stdin = open(0, closefd=False)
    sys.stdout, sys.stderr = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(cwd)
    sys.path.insert(0, str(cwd))
    kind, what, *rest = arguments
    sys.argv[:] = [what if kind == "-m" else "-c", *rest]
    if kind == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})
    sys.exit(0)
