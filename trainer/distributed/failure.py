"""One process's error ends all processes of a run, with that error; none waits in a collective that never completes."""

import logging
import os
import threading
import time
from datetime import timedelta
from types import TracebackType
from typing import Final

from torch.distributed import DistError, TCPStore  # type: ignore[attr-defined]

from probekit.errors import UserError

LOGGER = logging.getLogger("trainer")

_KEY: Final = "probekit-failure"
_POLL_SECONDS: Final = 0.5


def rendezvous_store() -> TCPStore:
    """A connection to the store through which torchrun's processes met."""
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    return TCPStore(host, port, is_master=False, timeout=timedelta(seconds=30))


class FailuresShared:
    """A block whose error is told to the other processes, and which ends this process if another one's block fails.

    Args:
        rank: rank of this process.
    """

    def __init__(self, rank: int) -> None:
        self._rank = rank
        self._store = rendezvous_store()
        self._finished = threading.Event()

    def __enter__(self) -> None:
        watch = threading.Thread(target=_end_with_others, args=(self._rank, self._finished), daemon=True)
        watch.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            problem = error.problem if isinstance(error, UserError) else repr(error)
            self._store.set(_KEY, f"rank {self._rank}: {problem}")
            time.sleep(2 * _POLL_SECONDS)  # torchrun ends the others with this process; let them say why
        self._finished.set()


def _end_with_others(rank: int, finished: threading.Event) -> None:
    store = rendezvous_store()
    while not finished.wait(_POLL_SECONDS):
        try:
            if not store.check([_KEY]):
                continue
            failure = store.get(_KEY).decode()
        except DistError:  # the store went away with the process that kept it
            failure = "the process that keeps the rendezvous store is gone"
        if not failure.startswith(f"rank {rank}:"):
            LOGGER.error("error: another process failed, %s", failure)
            os._exit(1)  # the main thread may wait in a collective for ever
        return
