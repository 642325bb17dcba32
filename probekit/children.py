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
from collections.abc import Callable, Sequence
from typing import Any, Final

_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
_SECONDS_BETWEEN_LOOKS: Final = 1.0


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
    """Start a child and wait for it; returns its exit status. An error in the meantime ends it. See `start_child`."""
    process = start_child(module, arguments, **options)
    try:
        return process.wait()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


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
