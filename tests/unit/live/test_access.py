"""Only the address that the command printed, opened on this machine, is answered."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probekit.live.access import is_allowed

TOKEN, PORT = "s3cret", 4711
HOST = {"host": ["127.0.0.1:4711"]}


@pytest.mark.parametrize(
    "headers",
    [
        HOST,
        {"host": ["localhost:4711"]},
        {**HOST, "origin": ["http://127.0.0.1:4711"]},
        {"host": ["localhost:4711"], "origin": ["http://localhost:4711"]},
    ],
)
def test_the_page_and_the_address_bar_are_answered(headers: dict[str, list[str]]) -> None:
    assert is_allowed("/s3cret/", headers, TOKEN, PORT)
    assert is_allowed("/s3cret/socket", headers, TOKEN, PORT)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"host": []},
        {"host": ["127.0.0.1"]},
        {"host": ["127.0.0.1:4712"]},
        {"host": ["evil.example:4711"]},
        {"host": ["127.0.0.1.evil.example:4711"]},
        {"host": ["127.0.0.1:4711", "evil.example"]},
        {**HOST, "origin": ["http://evil.example"]},
        {**HOST, "origin": ["https://127.0.0.1:4711"]},
        {**HOST, "origin": ["http://127.0.0.1:8000"]},
        {**HOST, "origin": ["http://localhost:4711"]},
        {**HOST, "origin": ["null"]},
        {**HOST, "origin": ["http://127.0.0.1:4711", "http://evil.example"]},
    ],
    ids=str,
)
def test_a_foreign_host_or_origin_is_refused(headers: dict[str, list[str]]) -> None:
    assert not is_allowed("/s3cret/", headers, TOKEN, PORT)


@settings(max_examples=40)
@given(st.text(max_size=12))
def test_every_other_token_is_refused(other: str) -> None:
    assert is_allowed(f"/{other}/", HOST, TOKEN, PORT) == (other.split("/")[0] == TOKEN)
    assert not is_allowed(other, HOST, TOKEN, PORT) or other.startswith("/s3cret")


@pytest.mark.parametrize("path", ["", "/", "//s3cret/", "/s3cre/", "/s3cret2/", "/S3CRET/", "/x/s3cret/", "/\ud800/"])
def test_a_path_that_does_not_begin_with_the_token_is_refused(path: str) -> None:
    assert not is_allowed(path, HOST, TOKEN, PORT)
