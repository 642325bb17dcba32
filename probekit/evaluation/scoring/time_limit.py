"""A stated time for work that may never end: a scorer that hangs on a video must not hold up the others."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

SECONDS_PER_SCORE: Final = 3600.0
"""Time that one score of one video may take, the loading of its networks included, unless another is stated."""
SECONDS_OF_GRACE: Final = 30.0
"""How much longer a worker may be silent before its process is ended from outside."""


class TimeIsUp(BaseException):
    """The time is over. Not an `Exception`, so that no library takes it for a failure of its own and goes on."""


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Interrupt the block after a time, in the main thread of a process; in other threads it is not limited.

    What waits in compiled code is interrupted when it returns to Python; if it never does, only the end of the process
    helps (see `WorkerPool`).

    Args:
        seconds: time that the block may take; None is for ever.

    Raises:
        TimeIsUp: the time is over.
    """
    if seconds is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGALRM, _ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def _ring(number: int, frame: FrameType | None) -> None:
    raise TimeIsUp
