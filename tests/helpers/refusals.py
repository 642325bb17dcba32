"""For property tests of readers: whatever the bytes, a reader succeeds or names the mistake."""

from collections.abc import Callable
from pathlib import Path

from hypothesis import strategies as st

from probekit.errors import UserError

Change = tuple[float, bytes, int]
"""Where in the file, as a share of its length; the bytes to put there; how many to take out."""

CHANGES = st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=12), st.integers(0, 40)), min_size=1, max_size=6)
"""Bytes written over, cut out and put in."""


def changed(data: bytes, changes: list[Change], *, within: int | None = None) -> bytes:
    """The bytes after the changes, all of them among the first `within`."""
    for where, new, removed in changes:
        at = int(where * min(len(data), within or len(data)))
        data = data[:at] + new + data[at + removed :]
    return data


def refusal(read: Callable[[Path], object], path: Path) -> UserError | None:
    """The mistake that a reader names; None where it succeeds. Any other error is the test's failure."""
    try:
        read(path)
    except UserError as error:
        return error
    return None


def is_one_line_about(error: UserError | None, path: Path) -> bool:
    """Whether there is no mistake, or one line that names the file."""
    return error is None or (path.name in error.problem and "\n" not in str(error))
