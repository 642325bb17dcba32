"""The bytes of a user's file, once it is sure that it is not something else: a pointer, a web page, an archive."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from probekit.errors import UserError

MOST_BYTES: Final = 2**30
"""Longer files are refused: they would be read into memory whole."""

PARQUET: Final = b"PAR1"
_HEAD: Final = 4096


class Mistake(NamedTuple):
    """Something that people have in place of the file that they mean."""

    pattern: re.Pattern[bytes]
    what: str
    fix: str


def _mistake(pattern: bytes, what: str, fix: str) -> Mistake:
    return Mistake(re.compile(pattern, re.DOTALL | re.IGNORECASE), what, fix)


_UNPACK: Final = "Unpack it first."
_DOWNLOAD: Final = "Download the file itself; a link to its raw content is needed, and perhaps a login."
_TEXTS: Final = (
    _mistake(
        rb"\s*version https://(git-lfs\.github\.com|hawser)", "a Git LFS pointer", "Run `git lfs pull` beside it."
    ),
    _mistake(rb"(\.\./)*(\.git)?/annex/objects/", "a git-annex pointer", "Run `git annex get` for it."),
    _mistake(
        rb"\s*(<!--.*?-->\s*)*<(!doctype html|html|head|body|title|meta|script)\b", "a web page in HTML", _DOWNLOAD
    ),
    _mistake(rb"\s*(<!--.*?-->\s*)*<svg\b", "a picture", "Give the right file."),
    _mistake(
        rb"\s*(<!--.*?-->\s*)*<(\?xml|error>)", "an XML document, perhaps the error of a failed download", _DOWNLOAD
    ),
    _mistake(
        rb"\s*(404: not found|entry not found|not found|repository not found|access denied|forbidden|unauthorized"
        rb"|invalid username or password\.?|moved permanently\.? redirecting to .*|found\. redirecting to .*"
        rb"|access to (model|dataset) \S+ is restricted.*)\s*\Z",
        "the message of a failed download",
        _DOWNLOAD,
    ),
    _mistake(
        rb"\s*(ffconcat version|#EXTM3U|v=0\r?\no=|<MPD\b)",
        "a playlist, which names other files",
        "Give the file that it names.",
    ),
)
_ARCHIVES: Final = (
    _mistake(rb"PK\x03\x04", "a zip archive or a spreadsheet", "Unpack it, or export the sheet as CSV in UTF-8."),
    _mistake(rb"\xd0\xcf\x11\xe0", "an old spreadsheet or document", "Export it as CSV in UTF-8."),
    _mistake(rb"\x1f\x8b", "a gzip archive", _UNPACK),
    _mistake(rb"BZh\d1AY&SY", "a bzip2 archive", _UNPACK),
    _mistake(rb"\xfd7zXZ\x00", "an xz archive", _UNPACK),
    _mistake(rb"\x28\xb5\x2f\xfd", "a zstd archive", _UNPACK),
    _mistake(rb"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    _mistake(rb"Rar!\x1a\x07", "a rar archive", _UNPACK),
)
NOT_MEDIA: Final = (*_TEXTS, *_ARCHIVES)
"""What no video and no picture can begin as."""
_MISTAKES: Final = (
    *NOT_MEDIA,
    _mistake(rb"%PDF-", "a PDF", "Copy its text into a .txt file."),
    _mistake(rb"\{\\rtf", "a document in rich text format", "Save it as plain text."),
    _mistake(rb"\x89PNG|\xff\xd8\xff|GIF8[79]a", "a picture", "Give the right file."),
    _mistake(rb"....ftyp|\x1a\x45\xdf\xa3|RIFF....(AVI|WAVE)", "a video or a sound", "Give the right file."),
    _mistake(rb"ARROW1|\xff{4}.{2}\x00{2}", "an Arrow file", "Save it as Parquet, CSV or JSON lines."),
    _mistake(rb"SQLite format 3\x00", "an SQLite database", "Export its table as CSV in UTF-8."),
    _mistake(rb"\x93NUMPY|\x89HDF|\x80[\x02-\x05]", "an array or a pickle", "Save it as Parquet, CSV or JSON lines."),
)  # fmt: skip


def read_content(
    path: Path, *, what: str, fix: str, most: int = MOST_BYTES, may_be: Callable[[bytes], bool] | None = None
) -> bytes:
    """Read a file of the user.

    Args:
        path: place of the file.
        what: name of the kind of file in messages, such as "prompt file".
        fix: advice where there is no such file.
        most: largest size in bytes.
        may_be: test of the first bytes that lets a known mistake pass; None lets none pass.

    Raises:
        UserError: The file is absent, a folder, unreadable, too large, or recognised as something else.
    """
    try:
        if path.is_dir():
            raise UserError(f"{path} is a folder, not a {what}.", fix)
        if not path.is_file():
            raise UserError(f"There is no {what} {path}.", fix)
        size = path.stat().st_size
        if size > most:
            raise UserError(f"{path} has {size:,} bytes; a {what} may have {most:,}.", "Split it, or check the file.")
        content = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path} cannot be read: {error.strerror or error}.", "Check its name and permissions."
        ) from error
    if may_be is None or not may_be(content[:_HEAD]):
        refuse_mistakes(content, path, what)
    return content


def refuse_mistakes(content: bytes, path: Path, what: str, among: Sequence[Mistake] = _MISTAKES) -> None:
    """Refuse content that is recognised as something else.

    Args:
        content: bytes of the file, or their beginning.
        path: place of the file, for messages.
        what: name of the kind of file in messages.
        among: mistakes that are looked for.

    Raises:
        UserError: Naming what it is.
    """
    head = content[:_HEAD].removeprefix(b"\xef\xbb\xbf")
    for mistake in among:
        if mistake.pattern.match(head):
            raise UserError(f"{path} is {mistake.what}, not a {what}.", mistake.fix)
