"""Making the next item while the present one is used."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def ahead(items: Iterable[T]) -> Iterator[T]:
    """The items in order; each is made in a thread while the one before is used, so at most two are alive."""
    source = iter(items)
    with ThreadPoolExecutor(max_workers=1) as pool:
        pending = pool.submit(_next, source)
        while found := pending.result():
            pending = pool.submit(_next, source)
            yield found[0]


def _next(source: Iterator[T]) -> tuple[T, ...]:
    """The next item alone, or nothing at the end."""
    return tuple(islice(source, 1))
