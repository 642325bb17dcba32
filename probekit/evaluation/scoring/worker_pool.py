"""A few processes that share tasks, one at a time each; one that dies or falls silent is reported with its task.

Processes are spawned, so each imports and builds what it needs for itself. They end when the process that started them
ends, however it ends.
"""

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Final, Generic, NamedTuple, Self, TypeVar

from probekit.children import end_with_parent
from probekit.errors import UserError
from probekit.visible_gpus import VISIBLE_GPUS, gpu_of

T = TypeVar("T")
M = TypeVar("M")

Handler = Callable[[T], Iterable[M]]
"""Works on one task and yields messages about it as they arise."""

_CONTEXT: Final = multiprocessing.get_context("spawn")
_SECONDS_TO_END: Final = 5.0


class Message(NamedTuple, Generic[T, M]):
    """What a handler yielded about a task."""

    task: T
    content: M


class Finished(NamedTuple, Generic[T]):
    """A task's handler came to its end."""

    task: T


class Died(NamedTuple, Generic[T]):
    """The process that worked on a task ended without finishing it."""

    task: T
    how: str
    """'killed by SIGKILL', 'exit status 1': what the system says about it."""


class FellSilent(NamedTuple, Generic[T]):
    """The process that worked on a task said nothing for too long and was ended."""

    task: T
    seconds: float
    """How long it had been silent."""


Event = Message[T, M] | Finished[T] | Died[T] | FellSilent[T]


class _Done(NamedTuple):
    """Ends the messages about one task; back to the process: the last message has been dealt with."""


class _Worker(Generic[T]):
    """One process, our end of its pipe, and what it works on."""

    def __init__(self, process: BaseProcess, connection: Connection, slot: int) -> None:
        self.process = process
        self.connection = connection
        self.slot = slot
        self.task: T | None = None
        self.heard = time.monotonic()
        """When it was last heard of, or given something to do."""


class WorkerPool(Generic[T, M]):
    """Hands tasks out to processes one at a time; use it as a context manager.

    Args:
        make_handler: called once in each process, before its first task; must be picklable.
        count: processes at most. They start when there is work for them, and a dead one is replaced.
        seconds: how long a process may be silent while it works; None is for ever.
    """

    def __init__(self, make_handler: Callable[[], Handler[T, M]], count: int, seconds: float | None = None) -> None:
        if count < 1:
            raise UserError(f"{count} workers cannot do any work.", "Ask for 1 or more.")
        self._make_handler = make_handler
        self._count = count
        self._seconds = seconds
        self._waiting: deque[T] = deque()
        self._workers: list[_Worker[T]] = []

    def __enter__(self) -> Self:
        """Start nothing yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all processes, at once if there was an error."""
        for worker in self._workers:
            worker.connection.close()
            if kind is not None:
                worker.process.terminate()
        for worker in self._workers:
            worker.process.join(_SECONDS_TO_END)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self._workers.clear()

    def submit(self, task: T) -> None:
        """Queue a task."""
        self._waiting.append(task)

    def retry(self, task: T) -> None:
        """Give a task to a process that has not worked on anything yet, in the place of one that died."""
        self._hand(self._start(), task)

    def events(self) -> Iterator[Event[T, M]]:
        """What happens to the tasks, until all are finished or dead; tasks may be submitted meanwhile.

        A handler goes on only when its last message has been dealt with here, that is, when the next event is asked
        for. Whatever ends this process, a worker has at most one message in hand that nobody kept.

        Raises:
            UserError: in place of a handler that could not be made.
        """
        while self._waiting or self._busy():
            self._hand_out()
            yield from self._receive()

    def _busy(self) -> list[_Worker[T]]:
        return [worker for worker in self._workers if worker.task is not None]

    def _hand_out(self) -> None:
        while self._waiting:
            idle = next((worker for worker in self._workers if worker.task is None), None)
            if idle is None and len(self._workers) >= self._count:
                return
            self._hand(idle or self._start(), self._waiting.popleft())

    def _hand(self, worker: _Worker[T], task: T) -> None:
        try:
            worker.connection.send(task)
        except OSError:  # it died while it had nothing to do; no task was lost with it
            self._remove(worker)
            self._waiting.appendleft(task)
        else:
            worker.task = task
            worker.heard = time.monotonic()

    def _start(self) -> _Worker[T]:
        taken = {worker.slot for worker in self._workers}
        slot = next(number for number in range(len(taken) + 1) if number not in taken)
        ours, theirs = _CONTEXT.Pipe()
        process = _CONTEXT.Process(target=_work, args=(theirs, self._make_handler, gpu_of(slot)), daemon=True)
        process.start()
        theirs.close()  # else the pipe would not close with the process
        worker: _Worker[T] = _Worker(process, ours, slot)
        self._workers.append(worker)
        return worker

    def _receive(self) -> Iterator[Event[T, M]]:
        busy = self._busy()
        sources = [source for worker in busy for source in (worker.connection, worker.process.sentinel)]
        ready = wait(sources, self._patience(busy))
        for worker in busy:
            if worker.connection in ready or worker.process.sentinel in ready:
                event = self._event(worker)
                yield event
                if isinstance(event, Message):
                    _go_on(worker)
            elif self._patience([worker]) == 0:
                yield self._give_up(worker)

    def _patience(self, busy: Sequence[_Worker[T]]) -> float | None:
        """Seconds until the first of some processes has been silent for too long; None is for ever."""
        if self._seconds is None:
            return None
        return max(0.0, min(worker.heard for worker in busy) + self._seconds - time.monotonic())

    def _give_up(self, worker: _Worker[T]) -> FellSilent[T]:
        task, silent = worker.task, time.monotonic() - worker.heard
        assert task is not None
        worker.process.kill()
        self._remove(worker)
        return FellSilent(task, silent)

    def _event(self, worker: _Worker[T]) -> Event[T, M]:
        task = worker.task
        assert task is not None
        try:
            # Without the poll, a grandchild that holds the pipe open would let this wait for a dead process.
            content = worker.connection.recv() if worker.connection.poll() else None
        except (EOFError, OSError):
            content = None
        if content is None:
            self._remove(worker)
            return Died(task, _end_of(worker.process))
        if isinstance(content, UserError):
            raise content
        if isinstance(content, _Done):
            worker.task = None
            return Finished(task)
        return Message(task, content)

    def _remove(self, worker: _Worker[T]) -> None:
        self._workers.remove(worker)
        worker.connection.close()
        worker.process.join(_SECONDS_TO_END)
        if worker.process.is_alive():  # it closed its pipe, but does not end
            worker.process.kill()
            worker.process.join()


def _work(connection: Connection, make_handler: Callable[[], Handler[T, M]], device: str | None) -> None:
    """The life of one process."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    end_with_parent(parent.join, parent.pid)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; who started us decides
    if device is not None:
        os.environ[VISIBLE_GPUS] = device
    try:
        try:
            handle = make_handler()
        except UserError as error:
            connection.send(error)
            return
        while True:
            for content in handle(connection.recv()):
                connection.send(content)
                connection.recv()  # until it is safe
            connection.send(_Done())
    except (EOFError, ConnectionError):
        return  # who started us has finished, or is gone


def _go_on(worker: _Worker[T]) -> None:
    worker.heard = time.monotonic()
    with suppress(OSError):  # it died meanwhile, which its pipe tells next
        worker.connection.send(_Done())


def _end_of(process: BaseProcess) -> str:
    code = process.exitcode
    if code is None or code >= 0:
        return f"exit status {code}"
    return f"killed by {signal.Signals(-code).name}"
