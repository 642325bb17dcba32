"""Bounds of YAML: aliases, depth, integers, dates and tags."""

from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from probekit.errors import UserError
from probekit.user_files.yaml_files import parse_yaml, read_yaml

TENFOLD = "\n".join(
    f"{one}: &{one} [{', '.join([f'*{other}'] * 10)}]" for other, one in zip("abcde", "bcdef", strict=True)
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: &x [1, 2]\nb: *x", {"a": [1, 2], "b": [1, 2]}),
        ("when: 2024-13-45\nfor: 1:30", {"when": "2024-13-45", "for": "1:30"}),
        ("a: 010\nb: 0x1F\nc: 0o17\nd: 1_000\ne: -3", {"a": 10, "b": 31, "c": 15, "d": 1000, "e": -3}),
        ("a: off\nb: yes\nc: True\nd: ~\ne: 1e-4", {"a": "off", "b": "yes", "c": True, "d": None, "e": 1e-4}),
        ("", None),
    ],
)
def test_plain_values_are_read_as_version_12_has_them(text: str, value: object) -> None:
    assert parse_yaml(text, "X") == value


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (f"a: &a [1, 2]\n{TENFOLD}", "line 6: more than 100,000 values, aliases written out"),
        ("a: &a [*a]", "line 1: an alias of what it stands in"),
        ("[" * 40 + "]" * 40, "more than 32 levels"),
        ("[" * 100_000, "more than 32 levels"),
        (f"a: {'9' * 5000}", "an integer of 5000 digits"),
        ("a: !!timestamp 2024-13-45", "timestamp, which no value needs"),
        ("a: !!python/object/apply:os.system [ls]", "which no value needs"),
        ("a: !!int x", "not what its tag .* says"),
        ("a: !!map x", "not what its tag .* says"),
        ("? [1]\n: 2", "a key is no plain text"),
        ("a: 1\nb: 2\na: 3", "repeated key 'a'"),
        ("a: [1", "line 1"),
        ("a: \0", "not allowed"),
    ],
)
def test_what_goes_beyond_the_bounds_is_named(text: str, named: str) -> None:
    with pytest.raises(UserError, match=named) as caught:
        parse_yaml(text, "recipe.yaml")
    assert caught.value.problem.startswith("recipe.yaml is not valid YAML: ")
    assert "\n" not in str(caught.value)


@given(st.text(st.sampled_from("ab:-[]{}!&*? \n\t'\"|>%@#,01_.~e+<=\r\u2028"), max_size=40))
def test_any_text_is_a_value_or_a_named_fault(text: str) -> None:
    with suppress(UserError):
        parse_yaml(text, "X")


def test_other_encodings_are_named_and_a_mark_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_yaml(path, what="recipe", fix="Give one.") == {"a": 1}
    path.write_bytes("a: 1\n".encode("utf-16"))
    with pytest.raises(UserError, match="text in UTF-16"):
        read_yaml(path, what="recipe", fix="Give one.")


def test_a_plain_document_reads_as_the_official_loader_reads_it() -> None:
    document = {"seed": 3, "rate": 0.5, "name": "a b", "list": [1, [2.5, "x"]], "none": None, "flag": False}
    text = yaml.safe_dump(document)
    assert parse_yaml(text, "X") == yaml.safe_load(text) == document
