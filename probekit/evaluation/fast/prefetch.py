"""Making the next item while the present one is used."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def ahead(items: Iterable[T]) -> Iterator[T]:
    """The items in order; each is made in a thread while the one before is used, so at most two are alive."""
    source = iter(items)
    missing = object()
    with ThreadPoolExecutor(max_workers=1) as pool:
        pending = pool.submit(next, source, missing)
        while (item := pending.result()) is not missing:
            pending = pool.submit(next, source, missing)
            yield item  # type: ignore[misc]
