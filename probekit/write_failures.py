"""What a full, limited or read-only disk does to a program, in one sentence, whichever library wrote."""

import errno
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from probekit.errors import UserError

_OF_TORCH: Final = ("PytorchStreamWriter failed", "unexpected pos")  # of its writer of zip archives
FREE_SPACE: Final = "Free space there, or choose a folder that can be written."

# What a full, limited or read-only target reports. Other OSErrors (say, of an input read meanwhile) pass unchanged.
_FAILURES: Final = {
    errno.EACCES: "permission denied",
    errno.EDQUOT: "disk quota exceeded",
    errno.EEXIST: "a file stands where a folder is needed",
    errno.EFBIG: "file size limit exceeded",
    errno.EISDIR: "a folder stands where the file should be",
    errno.ENAMETOOLONG: "file name too long",
    errno.ENOSPC: "no space left on the device",
    errno.ENOTDIR: "a file stands where a folder is needed",
    errno.EPERM: "operation not permitted",
    errno.EROFS: "read-only file system",
}
_SYSTEM_NUMBER: Final = re.compile(r"\(os error (\d+)\)|\[Errno (\d+)\]|\[errno (\d+)\]")
_WORDS: Final = {os.strerror(number): number for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)}


def writing_errors() -> tuple[type[Exception], ...]:
    """What Python, torch and, where it is loaded, safetensors raise when a file cannot be written."""
    safetensors = sys.modules.get("safetensors")
    return (OSError, RuntimeError) if safetensors is None else (OSError, RuntimeError, safetensors.SafetensorError)


def write_failure(error: BaseException) -> str | None:
    """Why a file could not be written, in a few words; None if that is not what an error is about.

    Libraries that write by themselves hide the system's number in a text, or in the error that theirs is raised from;
    torch sometimes has no more to say than how many bytes are missing.
    """
    number = error.errno if isinstance(error, OSError) else None
    if number is None:
        number = _number_in(str(error))
    if number is not None:
        return _FAILURES.get(number)
    before = error.__cause__ or error.__context__
    reason = None if before is None else write_failure(before)
    if reason is None and any(words in str(error) for words in _OF_TORCH):
        return "the disk did not take all of it"
    return reason


def _number_in(text: str) -> int | None:
    found = _SYSTEM_NUMBER.search(text)
    if found:
        return int(next(group for group in found.groups() if group))
    return next((number for words, number in _WORDS.items() if words in text), None)


@contextmanager
def naming_write_failures(path: Path) -> Iterator[None]:
    """A block that writes a file or folder.

    Raises:
        UserError: in place of an error which says that it cannot be written.
    """
    try:
        yield
    except writing_errors() as error:
        reason = write_failure(error)
        if reason is None:
            raise
        raise UserError(f"Cannot write {path}: {reason}.", FREE_SPACE) from error
