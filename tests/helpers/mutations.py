"""Files of users gone wrong: valid bytes cut, mixed and filled with what parsers stumble over."""

import copy
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from probekit.errors import UserError

TOKENS = (
    b"\xff\xfe", b"\x00", b"\xef\xbb\xbf", b"\r", b"\n", b'"', b",", b";", b"\t", b"{", b"}", b"[", b"]", b":", b"'",
    b"9" * 400, b"1e999", b"NaN", b"null", b"true", b"-1", b"\\ud800", b"../../x", b"\xe2\x80\xa8", b"&a", b"*a",
    b"!!python/name:os.system ", b"# ", b"- ", b"? ", b"%", b"\x1b[31m", b"\xc3\xa9", b"[" * 200, b"a\xcc\x81",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 3, 2**63, 2**70, 0.5, 1e308, float("nan"), "", "x", "../../x", "/x", "a\0b", "\ud800",
    [], {}, [[]], {"x": 1}, ["x"], "9" * 400, "\u202e",
)  # fmt: skip

Step = tuple[str, int, int, bytes]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(("cut", "insert", "replace", "repeat", "flip", "drop")),
        st.integers(0, 10**6),
        st.integers(0, 10**6),
        st.sampled_from(TOKENS) | st.binary(min_size=1, max_size=3),
    ),
    min_size=1,
    max_size=4,
)


def mutated(content: bytes, steps: list[Step]) -> bytes:
    """The bytes after some steps; positions wrap around."""
    for what, first, second, token in steps:
        start, stop = sorted((first % (len(content) + 1), second % (len(content) + 1)))
        few = min(stop, start + 8)
        if what == "cut":
            content = content[:start]
        elif what == "insert":
            content = content[:start] + token + content[start:]
        elif what == "replace":
            content = content[:start] + token + content[few:]
        elif what == "repeat":
            content = content[:stop] + content[start : start + 200] + content[stop:]
        elif what == "drop":
            content = content[:start] + content[few:]
        elif content:
            place = start % len(content)
            content = content[:place] + bytes([content[place] ^ (token[0] or 1)]) + content[place + 1 :]
    return content


def rewritten(document: Any, steps: list[tuple[int, int, Any, bool]]) -> Any:
    """A JSON document after some values were replaced, or keys and entries taken out."""
    document = copy.deepcopy(document)
    for depth, choice, value, remove in steps:
        node, holder, key = document, None, None
        for _ in range(1 + depth % 6):
            if not isinstance(node, dict | list) or not node:
                break
            keys: list[Any] = list(node) if isinstance(node, dict) else list(range(len(node)))
            holder, key = node, keys[choice % len(keys)]
            node = holder[key]
        if holder is None:
            return copy.deepcopy(value)
        if remove:
            del holder[key]
        else:
            holder[key] = copy.deepcopy(value)
    return document


REWRITES = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 10**6), st.sampled_from(VALUES), st.booleans()), min_size=1, max_size=3
)


def survives(read: Callable[[Path], object], path: Path, content: bytes, examples: int = 60) -> None:
    """Feed mutations of a valid file to a reader: each must be read, or refused by a `UserError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    read(path)  # the file is valid as it is

    @settings(max_examples=examples)
    @given(STEPS)
    def bytes_change(steps: list[Step]) -> None:
        path.write_bytes(mutated(content, steps))
        with suppress(UserError):
            read(path)

    bytes_change()


def survives_json(read: Callable[[Path], object], path: Path, document: Any, examples: int = 60) -> None:
    """As `survives`, and with values of a JSON document replaced."""
    survives(read, path, json.dumps(document).encode(), examples)

    @settings(max_examples=examples)
    @given(REWRITES)
    def values_change(steps: list[tuple[int, int, Any, bool]]) -> None:
        path.write_text(json.dumps(rewritten(document, steps)))
        with suppress(UserError):
            read(path)

    values_change()
