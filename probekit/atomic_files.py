"""Files that are either complete or absent: written beside their target, synced, then renamed over it."""

import errno
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from probekit.errors import UserError

TEMPORARY_PREFIX = ".tmp-"

# What a full, limited or read-only target reports. Other OSErrors (say, of an input read meanwhile) pass unchanged.
_WRITE_FAILURES = {
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


def is_temporary(path: Path) -> bool:
    """Tell whether ``path`` is an unfinished file that an interrupted writer left behind."""
    return path.name.startswith(TEMPORARY_PREFIX)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of ``path`` (same suffix); move it over ``path`` on a clean exit.

    Missing parent folders are made. After an error the temporary file is removed and ``path`` is as it was.

    Raises:
        UserError: The target is read-only, full, over a size limit or not a place for a file.
    """
    temporary = path.parent / f"{TEMPORARY_PREFIX}{os.getpid()}-{secrets.token_hex(4)}{path.suffix}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _sync(temporary)
        temporary.replace(path)
    except OSError as error:
        if error.errno not in _WRITE_FAILURES:
            raise
        raise UserError(
            f"Cannot write {path}: {_WRITE_FAILURES[error.errno]}.",
            "free space there, or choose a folder that can be written.",
        ) from error
    finally:
        if path.parent.is_dir():
            temporary.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically. Raises UserError where the target cannot be written."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 to ``path`` atomically. Raises UserError where the target cannot be written."""
    write_bytes(path, text.encode())


def write_json(path: Path, obj: Any) -> None:
    """Write ``obj`` as indented JSON with sorted keys, atomically.

    Raises:
        ValueError: A number is NaN or infinite, which JSON cannot say.
        UserError: The target cannot be written.
    """
    write_text(path, json.dumps(obj, allow_nan=False, ensure_ascii=False, indent=1, sort_keys=True) + "\n")
