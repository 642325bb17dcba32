"""Child processes that end with the process that started them, however that ends.

Two things see to it. Linux kills a child when the thread that started it ends (prctl(2), PR_SET_PDEATHSIG), even in the
middle of compiled code. Everywhere, a thread of the child waits for the end of a pipe that its parent alone holds open.
Standard library only: other environments run it too.
"""

import ctypes
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
_SECONDS_BETWEEN_LOOKS: Final = 1.0
_ENDED_BY_SIGTERM: Final = 128 + signal.SIGTERM
"""Exit status that shells give."""

_RUNNING: Final = set["subprocess.Popen[Any]"]()
"""Children that `run_child` waits for, in whichever thread."""
_LOCK: Final = threading.RLock()  # of the set; a signal may come while the main thread holds it
_ENDING: Final = threading.Event()


def start_child(
    module: str, arguments: Sequence[str], *, python: str = sys.executable, **options: Any
) -> "subprocess.Popen[Any]":
    """Start `python -m module arguments` as a child that ends with this process.

    The calling thread must live as long as the child: it counts as its parent.

    Args:
        module: name of a module that can be run.
        arguments: arguments of the module.
        python: interpreter; it must find this package.
        options: options of `subprocess.Popen`.

    Raises:
        OSError: the interpreter cannot be started.
    """
    read, write = os.pipe()
    try:
        process = subprocess.Popen(
            [python, "-m", __name__, str(read), str(os.getpid()), module, *arguments], pass_fds=(read,), **options
        )
    except OSError:
        os.close(write)
        raise
    finally:
        os.close(read)
    weakref.finalize(process, os.close, write)
    return process


def run_child(module: str, arguments: Sequence[str], **options: Any) -> int:
    """Start a child and wait for it; returns its exit status. See `start_child`.

    An error or an interruption kills the child. Inside `passing_on_signals` an interruption waits for it, so that a
    training saves first, and a second one kills it.
    """
    with _LOCK:
        if _ENDING.is_set():
            return -signal.SIGTERM
        process = start_child(module, arguments, **options)
        _RUNNING.add(process)
    try:
        return process.wait()
    except (KeyboardInterrupt, SystemExit):
        if _ENDING.is_set():
            process.wait()
        raise
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        with _LOCK:
            _RUNNING.discard(process)


@contextmanager
def passing_on_signals() -> Iterator[None]:
    """While the block runs, SIGINT and SIGTERM end the children of `run_child`, of all threads, and then the block.

    Without it they would be killed with this process, a training in the middle of its saving. From the signal on no
    child is started: `run_child` answers as if it had been ended. Only the main thread can use this. A signal that was
    ignored before, as in the background, stays so.

    Raises:
        KeyboardInterrupt: after SIGINT. What waits for threads waits for their children.
        SystemExit: after SIGTERM, with status 143.
    """

    def pass_on(number: int, frame: FrameType | None) -> None:
        with _LOCK:
            _ENDING.set()
            for process in _RUNNING:
                process.terminate()
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(_ENDED_BY_SIGTERM)

    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    heard = [number for number, handler in previous.items() if handler is not signal.SIG_IGN]
    for number in heard:
        signal.signal(number, pass_on)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, previous[number])
        _ENDING.clear()


def end_with_parent(wait_for_its_end: Callable[[], object], parent: int | None = None) -> None:
    """Let this process end as soon as its parent does.

    Args:
        wait_for_its_end: returns when the parent has ended; runs in a thread.
        parent: number of the parent; None if it may have ended and been replaced already.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if parent is not None and os.getppid() != parent:  # it ended before it could be watched
        _end()
    threading.Thread(target=_watch, args=(wait_for_its_end,), daemon=True).start()


def end_with_torchrun() -> None:
    """Let a process that torchrun started end with it; another process goes on as it was."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        parent = os.getppid()
        end_with_parent(lambda: _wait_while_parent_is(parent))


def _wait_while_parent_is(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def _watch(wait_for_its_end: Callable[[], object]) -> None:
    wait_for_its_end()
    _end()


def _end() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _main(pipe: int, parent: int, module: str, arguments: Sequence[str]) -> None:
    end_with_parent(lambda: os.read(pipe, 1), parent)
    sys.argv[:] = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
