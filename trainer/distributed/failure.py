"""One process's error ends all processes of a run, with that error; none waits in a collective that never completes."""

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
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


@contextmanager
def failures_shared(rank: int) -> Iterator[None]:
    """Tell the other processes if the block raises, and end this process if another one's does."""
    store, finished = rendezvous_store(), threading.Event()
    watch = threading.Thread(target=_end_with_others, args=(rank, finished), daemon=True)
    watch.start()
    try:
        yield
    except BaseException as error:
        problem = error.problem if isinstance(error, UserError) else repr(error)
        store.set(_KEY, f"rank {rank}: {problem}")
        time.sleep(2 * _POLL_SECONDS)  # torchrun ends the others with this process; let them say why
        raise
    finally:
        finished.set()


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
