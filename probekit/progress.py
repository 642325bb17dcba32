"""Progress of long loops: a bar on a terminal, plain log lines anywhere else."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TypeVar

T = TypeVar("T")

SECONDS_BETWEEN_LINES = 15.0

_log = logging.getLogger("probekit")


def track(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Yield ``items`` and report how many are done.

    On a terminal a bar is drawn on standard error. Elsewhere the logger ``probekit`` gets a plain line for the
    first item, the last item, and at most one every 15 seconds between them.

    Args:
        items: What to iterate over.
        description: What is being done, in a few words.
        total: Number of items, where ``len(items)`` cannot say.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    if sys.stderr.isatty():
        yield from _bar(items, description, total)
    else:
        yield from _lines(items, description, total, time.monotonic)


def _bar(items: Iterable[T], description: str, total: int | None) -> Iterator[T]:
    from rich.console import Console
    from rich.progress import track as rich_track

    yield from rich_track(items, description, total=total, console=Console(stderr=True))


def _lines(items: Iterable[T], description: str, total: int | None, clock: Callable[[], float]) -> Iterator[T]:
    start = last_line = clock()
    done = reported = 0
    for done, item in enumerate(items, start=1):
        yield item
        now = clock()
        if done in (1, total) or now - last_line >= SECONDS_BETWEEN_LINES:
            _log.info(_line(description, done, total, now - start))
            last_line, reported = now, done
    if done != reported:
        _log.info(_line(description, done, done, clock() - start))


def _line(description: str, done: int, total: int | None, elapsed: float) -> str:
    if total is None:
        return f"{description} {done}"
    if done == total:
        return f"{description} {done}/{total} done in {_minutes(elapsed)}"
    return f"{description} {done}/{total} eta {_minutes(elapsed / done * (total - done))}"


def _minutes(seconds: float) -> str:
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes:02d}:{whole % 60:02d}"
