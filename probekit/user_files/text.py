"""Text of a user's file: UTF-8 with or without a byte order mark, in lines of Unix or Windows."""

import codecs
import re
from pathlib import Path
from typing import Final, NamedTuple

from probekit.errors import UserError
from probekit.user_files.content import MOST_BYTES, read_content

_MARK: Final = "\N{ZERO WIDTH NO-BREAK SPACE}"
"""The byte order mark: also inside a file, where files were joined, it is no part of the text."""
_SAVE: Final = "Save it as UTF-8."
_SAMPLE: Final = 1000
_LINE_END: Final = re.compile(r"\r*\n")

# UTF-32 first: its mark begins with that of UTF-16.
_MARKED: Final = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


class Line(NamedTuple):
    """One line without its end.

    Attributes:
        number: number of the line in the file, from 1.
        text: text of the line.
    """

    number: int
    text: str


def read_text(path: Path, *, what: str, fix: str, most: int = MOST_BYTES) -> str:
    """Read a text file of the user.

    Args:
        path: place of the file.
        what: name of the kind of file in messages.
        fix: advice where there is no such file.
        most: largest size in bytes.

    Raises:
        UserError: As `read_content`, or the file is not text in UTF-8; another encoding is named.
    """
    return decode(read_content(path, what=what, fix=fix, most=most), path)


def decode(content: bytes, path: Path) -> str:
    """Decode UTF-8.

    Args:
        content: bytes of the file.
        path: place of the file, for messages.

    Raises:
        UserError: The bytes are of another encoding or no text; the message names the line.
    """
    for mark, name in _MARKED:
        if content.startswith(mark):
            raise UserError(f"{path} is text in {name}.", _convert(name, path))
    if encoding := _unmarked(content):
        raise UserError(f"{path} seems to be text in {encoding}.", _convert(encoding, path))
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _not_utf8(content, error, path) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise UserError(f"{path}, line {line} holds a zero byte, so that it is no text.", "Check the file.")
    return text.replace(_MARK, "")


def lines_of(text: str, path: Path) -> list[Line]:
    r"""Split a text at \n and \r\n alone; other separators of Unicode are part of a line.

    Args:
        text: text of the file.
        path: place of the file, for messages.

    Returns:
        The lines; the last one may lack its end.

    Raises:
        UserError: A carriage return stands alone, as in files of old systems.
    """
    lines = [Line(number, line) for number, line in enumerate(_LINE_END.split(text), start=1)]
    for number, line in lines:
        if "\r" in line.rstrip("\r"):
            raise UserError(
                f"{path}, line {number}: a carriage return (\\r) ends no line.", "End lines with \\n or \\r\\n."
            )
    if not lines[-1].text:
        lines.pop()
    return [Line(number, line.rstrip("\r")) for number, line in lines]


def _unmarked(content: bytes) -> str | None:
    """The encoding of text whose every second byte, or three of four, is zero; None for other content."""
    head = content[:_SAMPLE]
    quarter = len(head) // 4
    if quarter and head.count(0) >= 2.5 * quarter:
        return "UTF-32"
    if quarter and max(head[0::2].count(0), head[1::2].count(0)) >= 1.5 * quarter:
        return "UTF-16"
    return None


def _convert(name: str, path: Path) -> str:
    return f"{_SAVE.removesuffix('.')}: iconv -f {name} -t UTF-8 {path.name}."


def _not_utf8(content: bytes, error: UnicodeDecodeError, path: Path) -> UserError:
    line = content.count(b"\n", 0, error.start) + 1
    byte = content[error.start]
    if error.reason == "unexpected end of data":
        return UserError(f"{path} ends in the middle of a character: it was cut.", "Copy the file again.")
    guess = "perhaps Latin-1 or Windows-1252" if byte >= 0xA0 else "perhaps Windows-1252, or no text at all"
    return UserError(f"{path}, line {line}: the byte 0x{byte:02x} is not UTF-8; {guess}.", _SAVE)
