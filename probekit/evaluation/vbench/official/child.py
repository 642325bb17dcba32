"""Our side of `worker`: a child process that may die without taking anything else along."""

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

import probekit
from probekit.atomic_files import temporary_folder
from probekit.children import start_child
from probekit.errors import UserError
from probekit.evaluation.vbench.official.inputs import OfficialInput

WORKER: Final = "probekit.evaluation.vbench.official.worker"
"""Module that runs in the other Python."""

_LAST_WORDS: Final = 300
_SECONDS_TO_END: Final = 5.0


class ChildSession:
    """A `Session` in another Python, which is started on the first video and again after a death.

    A video on which the process dies is given to a second one; if that dies too, the video is the failure, and the next
    video gets a new process. An error here while the process works, such as a time limit, ends it: its answer would be
    taken for that of the next video.

    Args:
        python: the interpreter; it needs VBench, and none of this toolkit's own requirements.
        dimension: one of the sixteen.
        device: torch's name of the device.
    """

    def __init__(self, python: Path, dimension: str, device: str) -> None:
        self._python = python
        self._dimension = dimension
        self._device = device
        self._process: subprocess.Popen[str] | None = None
        self._log: IO[bytes] | None = None
        self._folder = ExitStack()
        self._does_not_load: UserError | None = None  # known after the first try; other videos do not try again

    def __call__(self, video: OfficialInput) -> dict[str, Any] | None:
        """Score a video.

        Raises:
            UserError: if the official code fails on it, the process dies on it twice, or it cannot be started.
        """
        if self._does_not_load is not None:
            raise self._does_not_load
        line = json.dumps(video._asdict(), default=dict)
        answer = self._ask(line) or self._ask(line)
        if answer is None:
            raise UserError(f"The process of {self._dimension} died twice: {self._end()}.", "Look at the video.")
        if "error" in answer:
            raise UserError(str(answer["error"]), "Look at the video, or leave it out.")
        record = answer["record"]
        assert record is None or isinstance(record, dict)
        return record

    def _ask(self, line: str) -> Mapping[str, Any] | None:
        """The process's answer; None if it died."""
        if self._process is None or self._process.poll() is not None:
            self._start()
        process = self._process
        assert process is not None
        assert process.stdin is not None
        answered = False
        try:
            process.stdin.write(line + "\n")
            process.stdin.flush()
            answer = _read(process)
            answered = True
        except BrokenPipeError:
            return None
        finally:
            if not answered:
                process.kill()
        return answer

    def _start(self) -> None:
        self.close()
        folder = self._folder.enter_context(temporary_folder())
        self._log = tempfile.TemporaryFile()
        try:
            self._process = start_child(
                WORKER,
                [self._dimension, "--device", self._device],
                python=str(self._python),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env=worker_environment(folder),
                text=True,
                encoding="utf-8",
            )
        except OSError as error:
            raise UserError(f"{self._python} cannot be started: {error}.", "Run probekit vbench setup.") from error
        answer = _read(self._process)
        if answer is None:
            raise UserError(f"{self._dimension} cannot be loaded: {self._end()}.", "Run probekit vbench doctor.")
        if "error" in answer:
            self._does_not_load = UserError(str(answer["error"]), "Run probekit vbench doctor.")
            raise self._does_not_load

    def _end(self) -> str:
        """How the process ended, and its last words."""
        assert self._process is not None
        status = self._process.wait()
        words = ""
        if self._log is not None:
            self._log.seek(0)
            words = " ".join(self._log.read().decode(errors="replace").split())[-_LAST_WORDS:]
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        return f"{how}; {words}" if words else how

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            _end(self._process)
            self._process = None
        if self._log is not None:
            self._log.close()
            self._log = None
        self._folder.close()

    def __enter__(self) -> Self:
        """Use it, then end its process."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        self.close()


def _end(process: "subprocess.Popen[str]") -> None:
    """Let a process end, which its input tells it to; one that does not is killed."""
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(BrokenPipeError):
                stream.close()
    try:
        process.wait(_SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _read(process: subprocess.Popen[str]) -> Mapping[str, Any] | None:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.endswith("\n"):
        return None
    answer = json.loads(line)
    assert isinstance(answer, dict)
    return answer


def worker_environment(folder: Path) -> dict[str, str]:
    """Environment variables of a worker: it finds this package, and nothing else of ours, through a link in `folder`.

    Beside an installed package lie all its requirements, which must not shadow those of the other environment. Hub
    models come from the cache, never from the network.
    """
    link = folder / "probekit"
    if not link.exists():
        link.symlink_to(Path(probekit.__file__).resolve().parent, target_is_directory=True)
    return {**os.environ, "PYTHONPATH": str(folder), "PYTHONNOUSERSITE": "1", "HF_HUB_OFFLINE": "1"}
