"""Who a process is, beyond its number: a number is given again, after a while or on another machine."""

import hashlib
import os
import socket
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

_PROC: Final = Path("/proc")
_ENDED: Final = ("Z", "X")  # a process that nobody waited for still has an entry


class ProcessIdentity(NamedTuple):
    """One process.

    Attributes:
        machine: eight digits for the machine, its start, and the container's view of processes.
        pid: number of the process.
        started: start of the process, in clock ticks after the machine's start; 0 where the system does not say.
    """

    machine: str
    pid: int
    started: int

    def is_here(self) -> bool:
        """Whether this process would see it, were it running."""
        return self.machine == machine_digits()

    def is_running(self) -> bool:
        """Whether it still runs; only meaningful where it `is_here`."""
        found = _state_and_start(self.pid)
        if found is None:
            return not _PROC.is_dir() and _answers(self.pid)
        state, started = found
        return state not in _ENDED and self.started in (0, started)


def this_process() -> ProcessIdentity:
    """The running process."""
    found = _state_and_start(os.getpid())
    return ProcessIdentity(machine_digits(), os.getpid(), found[1] if found else 0)


@cache
def machine_digits() -> str:
    """Eight hexadecimal digits of the machine; others after a restart, and in a container of its own."""
    facts = (socket.gethostname(), _text(_PROC / "sys/kernel/random/boot_id"), _link(_PROC / "self/ns/pid"))
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:8]


def _state_and_start(pid: int) -> tuple[str, int] | None:
    """State letter and start of a process, from `/proc/<pid>/stat` (proc_pid_stat(5), fields 3 and 22)."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return fields[0], int(fields[19])
    except (OSError, IndexError, ValueError):
        return None


def _answers(pid: int) -> bool:
    """Whether a process of this number takes signals, where there is no `/proc`."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _link(path: Path) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""
