"""One writer at a time: a lock file that says who writes, and that a dead writer does not keep.

On one machine the system releases the lock (flock(2)) with its process, however that ends. Some network disks keep such
locks for each machine alone, or have none; there the file's record and its age decide: its owner touches it every few
seconds. A writer that finds the record of another machine waits until it sees a touch, or until there has been none for
so long that the owner must be dead. After a clean end no file is left.
"""

import errno
import fcntl
import json
import logging
import os
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from probekit.errors import UserError
from probekit.process_identity import ProcessIdentity, this_process
from probekit.provenance import command_line
from probekit.write_failures import naming_write_failures

_SECONDS_BETWEEN_TOUCHES: Final = 15.0
_SECONDS_UNTIL_STALE: Final = 180.0
_SECONDS_TO_TRY: Final = 2.0  # a process that was killed with its parent may take a moment to go
_SECONDS_BETWEEN_TRIES: Final = 0.1
_LONGEST_COMMAND: Final = 200
_log = logging.getLogger("probekit")

_NO_LOCKS: Final = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


class Owner(NamedTuple):
    """Who holds a lock.

    Attributes:
        host: name of the machine.
        machine: name of the machine, as in `ProcessIdentity`; so are the next two.
        since: time at which the lock was taken, in ISO format and local time.
        command: command line of the process.
    """

    host: str
    machine: str
    pid: int
    started: int
    since: str
    command: str

    def __str__(self) -> str:
        """Return what a reader needs to find the process."""
        return f"process {self.pid} on {self.host} since {self.since} ({self.command})"


@contextmanager
def sole_writer(lock: Path, folder: Path) -> Iterator[None]:
    """Be the only one in the block, over all processes and machines that see the file.

    Args:
        lock: lock file; missing parent folders are made.
        folder: what is written, for the message.

    Raises:
        UserError: another process is in such a block, or the file cannot be written.
    """
    held = _acquire(lock, folder)
    stop = threading.Event()
    threading.Thread(target=_keep_fresh, args=(held, stop), daemon=True).start()
    try:
        yield
    finally:
        stop.set()
        _release(lock, held)


def owner_of(lock: Path) -> Owner | None:
    """Who holds a lock now; None if nobody does, whether or not a dead owner left the file."""
    try:
        with lock.open("rb") as file:
            return _other_owner(file, lock, _take(file))
    except OSError:
        return None


_UNKNOWN: Final = Owner("an unknown machine", "", 0, 0, "an unknown time", "unknown command")


class _Refused(NamedTuple):
    """Why a lock was not taken.

    Attributes:
        owner: process that seems to hold it.
        unsure: whether only its record says so, on another machine.
    """

    owner: Owner
    unsure: bool = False


def _acquire(lock: Path, folder: Path) -> IO[bytes]:
    deadline, touched = time.monotonic() + _SECONDS_TO_TRY, None
    while isinstance(taken := _try_to_acquire(lock), _Refused):
        if taken.unsure and touched is None:
            _log.info("waiting to see whether %s still writes %s", taken.owner, folder)
            touched = _touched(lock)
        alive = touched != _touched(lock) if taken.unsure else time.monotonic() > deadline
        if alive:
            raise UserError(
                f"{folder} is being written by {taken.owner}.",
                f"Wait until it ends, or choose another folder. If that process is gone, delete {lock}.",
            )
        time.sleep(_SECONDS_BETWEEN_TRIES)
    return taken


def _touched(lock: Path) -> float | None:
    try:
        return lock.stat().st_mtime
    except FileNotFoundError:
        return None


def _try_to_acquire(lock: Path) -> IO[bytes] | _Refused:
    with naming_write_failures(lock), ExitStack() as closing:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = closing.enter_context(os.fdopen(os.open(lock, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0))
        taken = _take(file)
        owner = _other_owner(file, lock, taken)
        if owner is None and _is_the_file(file, lock):  # else its last owner has just removed it
            _write(file)
            if taken or _is_still_ours(file):
                closing.pop_all()
                return file
    if owner is None:
        return _Refused(_UNKNOWN)
    return _Refused(owner, taken is not False and owner.machine != this_process().machine)


def _take(file: IO[bytes]) -> bool | None:
    """Take the system's lock: True or False, and None where the file system has none."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return None
        raise
    return True


def _other_owner(file: IO[bytes], lock: Path, taken: bool | None) -> Owner | None:
    """Who else holds the lock; `taken` says whether the system has given it to us."""
    owner = _read(file)
    if taken is False:
        return owner or _UNKNOWN
    return owner if owner is not None and _is_at_work(owner, lock, taken) else None


def _is_still_ours(file: IO[bytes]) -> bool:
    """Where the system has no locks, of two that came at once the last to write its name is the owner."""
    time.sleep(_SECONDS_BETWEEN_TRIES)
    owner = _read(file)
    return owner is not None and ProcessIdentity(owner.machine, owner.pid, owner.started) == this_process()


def _is_at_work(owner: Owner, lock: Path, taken: bool | None) -> bool:
    identity = ProcessIdentity(owner.machine, owner.pid, owner.started)
    if identity.is_here():
        return not taken and identity.is_running()
    return _seconds_untouched(lock) < _SECONDS_UNTIL_STALE


def _seconds_untouched(lock: Path) -> float:
    """Age of the owner's last sign of life by the clock of the disk, which need not be this machine's."""
    with tempfile.TemporaryFile(dir=lock.parent) as probe:
        probe.write(b"x")
        probe.flush()
        return os.fstat(probe.fileno()).st_mtime - lock.stat().st_mtime


def _is_the_file(file: IO[bytes], lock: Path) -> bool:
    try:
        found, ours = lock.stat(), os.fstat(file.fileno())
    except FileNotFoundError:
        return False
    return (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino)


def _read(file: IO[bytes]) -> Owner | None:
    """The owner that a file names; None if it names none, or is damaged."""
    file.seek(0)
    try:
        record: dict[str, Any] = json.loads(file.read())
        owner = Owner(**record)
        return owner if isinstance(owner.pid, int) and isinstance(owner.started, int) else None
    except (ValueError, TypeError):
        return None


def _write(file: IO[bytes]) -> None:
    machine, pid, started = this_process()
    now = time.strftime("%Y-%m-%dT%H:%M:%S")
    owner = Owner(socket.gethostname(), machine, pid, started, now, command_line()[:_LONGEST_COMMAND])
    file.seek(0)
    file.truncate()
    file.write(json.dumps(owner._asdict()).encode() + b"\n")
    os.fsync(file.fileno())


def _keep_fresh(held: IO[bytes], stop: threading.Event) -> None:
    while not stop.wait(_SECONDS_BETWEEN_TOUCHES):
        with suppress(OSError, ValueError):  # the disk may come back; a file that was just closed is done with
            os.utime(held.fileno())


def _release(lock: Path, held: IO[bytes]) -> None:
    if _is_the_file(held, lock):  # removed while it is ours, so that nobody can hold what is no longer there
        lock.unlink(missing_ok=True)
    held.close()
