"""Bounds of JSON: what other code could not bear is refused here."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probekit.errors import UserError
from probekit.user_files.json_files import parse_json, read_json

TEXTS = st.text(st.characters(codec="utf-8"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64) + 1, 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
)  # fmt: skip


@given(VALUES)
def test_what_json_says_within_bounds_is_read_as_it_is(value: object) -> None:
    assert parse_json(json.dumps(value)) == value
    assert parse_json(json.dumps(value, ensure_ascii=False)) == value


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[" * 65 + "]" * 65, "nests deeper than 64 levels"),
        ("[" * 100_000, "nests deeper than 64 levels"),
        ('{"a":' * 70 + "1" + "}" * 70, "nests deeper than 64 levels"),
        ("9" * 5000, "an integer of 5000 digits"),
        (str(2**64), "an integer of 20 digits"),
        (f"-{'9' * 30}", "an integer of 30 digits"),
        ("1e999", "1e999, which is no finite number"),
        ("[NaN]", "it holds NaN"),
        ("[-Infinity]", "it holds -Infinity"),
        ('{"a": 1, "b": 2, "a": 3}', "the key 'a' stands twice"),
        (r'["\ud800"]', "half a character"),
        (r'{"\udfff": 1}', "half a character"),
        ("[1,]", "line 1 column 4"),
    ],
)
def test_what_goes_beyond_the_bounds_is_named(text: str, named: str, tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_text(text)
    with pytest.raises(UserError, match=named) as caught:
        read_json(path, fix="Write it again.")
    assert caught.value.problem.startswith(f"{path} is not JSON: ")
    assert caught.value.fix == "Write it again."


def test_nan_is_read_where_it_is_allowed() -> None:
    (value,) = parse_json("[NaN]", allow_nan=True)
    assert value != value
