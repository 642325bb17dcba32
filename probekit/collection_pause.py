"""Python's search for circular garbage, put off while many small objects without cycles are made."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collection_paused() -> Iterator[None]:
    """Put garbage collection off in a block, which may be a decorated function; it goes on after it as before.

    A search looks at every object that is alive, and comes again and again while rows are read by the hundred thousand.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
