"""Text of users: what is no text is named, what is text comes through unchanged."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probekit.errors import UserError
from probekit.user_files.text import decode, lines_of, read_text

FILE = Path("file.txt")


def refused(path: Path) -> UserError:
    with pytest.raises(UserError) as caught:
        read_text(path, what="prompt file", fix="Give one.")
    return caught.value


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("a cup\n".encode("utf-16"), "text in UTF-16"),
        ("a cup\n".encode("utf-16-be"), "seems to be text in UTF-16"),
        ("a cup\n".encode("utf-16-le"), "seems to be text in UTF-16"),
        ("a cup\n".encode("utf-32"), "text in UTF-32"),
        ("a cup\n".encode("utf-32-be"), "seems to be text in UTF-32"),
        ("one\ncafé\n".encode("latin-1"), "line 2: the byte 0xe9 is not UTF-8; perhaps Latin-1"),
        ("a “cup”\n".encode("cp1252"), "line 1: the byte 0x93 is not UTF-8; perhaps Windows-1252"),
        ("café".encode()[:-1], "ends in the middle of a character"),
        (b"a long enough line\0of text", "line 1 holds a zero byte"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\n", "a Git LFS pointer, not a prompt file"),
        (b"\n  <!DOCTYPE html>\n<title>Sign in", "a web page in HTML"),
        (b'\xef\xbb\xbf<html lang="en">', "a web page in HTML"),
        (b"\nversion https://git-lfs.github.com/spec/v1\noid sha256:aa\n", "a Git LFS pointer"),
        (b"<!-- saved from a site -->\n<!DOCTYPE html>\n<html>", "a web page in HTML"),
        (b"<title>Sign in</title>", "a web page in HTML"),
        (b"<!-- a --><svg xmlns='http://www.w3.org/2000/svg'>", "a picture"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied', "an XML document"),
        (b"Entry not found", "the message of a failed download"),
        (b"404: Not Found\n", "the message of a failed download"),
        (b"Invalid username or password.", "the message of a failed download"),
        (b"PK\x03\x04\x14\x00", "a zip archive or a spreadsheet"),
        (b"\x1f\x8b\x08\x00", "a gzip archive"),
        (b"%PDF-1.7", "a PDF"),
        (b"\x89PNG\r\n\x1a\n", "a picture"),
        (b"\x00\x00\x00\x20ftypisom", "a video"),
        (b"\x93NUMPY\x01\x00", "an array"),
    ],
)
def test_what_is_no_utf8_text_is_named(content: bytes, named: str, tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_bytes(content)
    error = refused(tmp_path / "file.txt")
    assert named in error.problem
    assert str(tmp_path / "file.txt") in error.problem
    assert error.fix[0].isupper()


def test_absent_files_folders_and_large_files_are_named(tmp_path: Path) -> None:
    assert refused(tmp_path / "gone.txt").problem == f"There is no prompt file {tmp_path / 'gone.txt'}."
    assert "is a folder, not a prompt file" in refused(tmp_path).problem
    assert "File name too long" in refused(tmp_path / ("x" * 300)).problem
    (tmp_path / "large.txt").write_text("x" * 11)
    with pytest.raises(UserError, match="has 11 bytes; a prompt file may have 10"):
        read_text(tmp_path / "large.txt", what="prompt file", fix="Give one.", most=10)


@given(st.lists(st.text(st.characters(exclude_characters="\n\r\0\ufeff", codec="utf-8")), max_size=6))
def test_lines_come_back_whatever_separators_of_unicode_they_hold(lines: list[str]) -> None:
    for end in ("\n", "\r\n"):
        content = "".join(line + end for line in lines).encode()
        assert [line.text for line in lines_of(decode(content, FILE), FILE)] == lines


@given(st.binary(max_size=40))
def test_any_bytes_are_text_or_a_named_fault(content: bytes) -> None:
    with suppress(UserError):
        lines_of(decode(content, FILE), FILE)


def test_marks_of_joined_files_and_doubled_line_ends_vanish() -> None:
    text = decode("\ufeffone\r\r\n\ufefftwo".encode(), FILE)
    assert lines_of(text, FILE) == [(1, "one"), (2, "two")]


def test_a_carriage_return_alone_ends_no_line() -> None:
    with pytest.raises(UserError, match=r"line 2: a carriage return .* ends no line"):
        lines_of("one\ntwo\rthree\n", FILE)
