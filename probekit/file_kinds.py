"""What lies where a file was expected: pointers, web pages, nothing. Torch-free."""

from pathlib import Path
from typing import Final, NamedTuple

_HEAD_BYTES: Final = 1024
_LFS: Final = (b"version https://git-lfs.github.com/spec/", b"version https://hawser.github.com/spec/")
_PAGES: Final = (b"<!doctype html", b"<html", b"<head", b"<body", b"<!--", b"<title")
_XML: Final = (b"<?xml", b"<error>")


class StandIn(NamedTuple):
    """What a file is in place of what it should be.

    Attributes:
        what: a noun, e.g. "a Git-LFS pointer".
        fix: a sentence.
    """

    what: str
    fix: str


def stand_in(path: Path) -> StandIn | None:
    """What lies in a file's place, by its first bytes; None for a file that may be what its name says.

    Raises:
        OSError: if the file cannot be read.
    """
    head = first_bytes(path)
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    again = "Download the file again, and look at what the server says."
    if not head:
        return StandIn("an empty file", "Copy or download it again.")
    if start.startswith(_LFS):
        return StandIn("a Git-LFS pointer, not the file itself", "Run `git lfs pull` in that repository.")
    if start.startswith(b"/annex/objects/") or start.startswith(b"../.git/annex/"):
        return StandIn("a git-annex pointer, not the file itself", "Run `git annex get` in that repository.")
    if start.startswith(_PAGES):
        return StandIn("an HTML page, as a server answers in place of a file", again)
    if start.startswith(_XML):
        return StandIn("an XML page, as a server answers in place of a file", again)
    if len(head) >= 16 and not any(head):
        return StandIn("zeros, as an interrupted download leaves them", "Copy or download it again.")
    return None


def first_bytes(path: Path, count: int = _HEAD_BYTES) -> bytes:
    """The first bytes of a file."""
    with path.open("rb") as file:
        return file.read(count)
