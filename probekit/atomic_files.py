"""Files and folders that are either complete or absent: written beside their target, synced, then renamed over it.

Names of unfinished ones say which process writes them, so that the next writer of a folder removes what dead ones left.
"""

import ctypes
import errno
import json
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from probekit.errors import UserError
from probekit.process_identity import ProcessIdentity, this_process
from probekit.write_failures import naming_write_failures

if TYPE_CHECKING:
    import pandas as pd

TEMPORARY_PREFIX: Final = ".tmp-"

_NAME: Final = re.compile(r"\.tmp-([0-9a-f]{8})-(\d+)-(\d+)-[0-9a-f]{8}")
_NAME_WITHOUT_MACHINE: Final = re.compile(r"\.tmp-(\d+)-[0-9a-f]{8}")  # as earlier versions wrote it
_SECONDS_UNTIL_FOREIGN_IS_LEFT: Final = 24 * 3600.0
_CSV_DIGITS: Final = 9
_AT_FDCWD: Final = -100
_RENAME_EXCHANGE: Final = 2  # linux/fs.h


def is_temporary(path: Path) -> bool:
    """Tell whether ``path`` is an unfinished file or folder, perhaps one that an interrupted writer left behind."""
    return path.name.startswith(TEMPORARY_PREFIX)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of ``path`` (same suffix); move it over ``path`` on a clean exit.

    Missing parent folders are made. After an error the temporary file is removed and ``path`` is as it was.

    Raises:
        UserError: The target is read-only, full, over a size limit or not a place for a file.
    """
    temporary = _temporary_sibling(path, path.suffix)
    try:
        with naming_write_failures(path):
            _make_ready(path.parent)
            yield temporary
            _share(temporary)
            _sync(temporary)
            temporary.replace(path)
            sync_folder(path.parent)
    finally:
        if path.parent.is_dir():
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary sibling folder; put it in the place of the folder ``path`` on a clean exit.

    What ``path`` held before is there until then, and gone afterwards. Where the file system can exchange two names,
    a folder that was there is never missing; elsewhere it is for the moment between two renames. A link to a folder
    stays, and the folder behind it is replaced.

    Raises:
        UserError: The target is read-only, full, over a size limit or not a place for a folder.
    """
    path = path.resolve()
    temporary = _temporary_sibling(path, "")
    try:
        with naming_write_failures(path):
            _make_ready(path.parent)
            temporary.mkdir()
            yield temporary
            _sync_tree(temporary)
            put_in_place(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def copy_folder(source: Path, target: Path) -> None:
    """Copy a folder; the copy appears whole or not at all. Raises UserError where the target cannot be written."""
    with atomic_folder(target) as temporary:
        shutil.copytree(source, temporary, dirs_exist_ok=True)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a private folder in the system's place for temporary files; what dead processes left there is removed."""
    root = Path(tempfile.gettempdir())
    remove_leftovers(root)
    folder = _temporary_sibling(root / "any", "")
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers(folder: Path) -> None:
    """Remove unfinished files and folders whose writers are dead.

    Of another machine's writers nothing can be known: theirs go when nobody has touched them for a day.
    """
    for path in folder.glob(f"{TEMPORARY_PREFIX}*"):
        if _is_left(path):
            with suppress(OSError):  # another cleaner was faster, or it is another user's
                _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _is_left(path: Path) -> bool:
    here = this_process()
    if found := _NAME.match(path.name):
        writer = ProcessIdentity(found[1], int(found[2]), int(found[3]))
    elif found := _NAME_WITHOUT_MACHINE.match(path.name):
        writer = ProcessIdentity(here.machine, int(found[1]), 0)
    else:
        writer = ProcessIdentity("", 0, 0)
    if writer.is_here():
        return not writer.is_running()
    try:
        return time.time() - path.stat().st_mtime > _SECONDS_UNTIL_FOREIGN_IS_LEFT
    except OSError:  # its writer has just finished
        return False


def _temporary_sibling(path: Path, suffix: str) -> Path:
    machine, pid, started = this_process()
    return path.parent / f"{TEMPORARY_PREFIX}{machine}-{pid}-{started}-{secrets.token_hex(4)}{suffix}"


def _make_ready(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    _remove_leftovers_once(folder.absolute(), os.getpid())


@cache
def _remove_leftovers_once(folder: Path, pid: int) -> None:
    remove_leftovers(folder)


def put_in_place(new: Path, path: Path) -> None:
    """Rename a finished folder to `path`, in the place of a folder that is there; the names are on the disk then."""
    if not path.is_dir():
        new.rename(path)
    elif _exchange(new, path):
        shutil.rmtree(new, ignore_errors=True)
    else:
        old = _temporary_sibling(path, "")
        path.rename(old)
        new.rename(path)
        shutil.rmtree(old, ignore_errors=True)
    sync_folder(path.parent)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step (renameat2(2)); False where the system cannot."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    return bool(renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0)


def _sync_tree(folder: Path) -> None:
    for parent, _, names in os.walk(folder):
        for name in names:
            _share(Path(parent) / name)
            _sync(Path(parent) / name)
        sync_folder(Path(parent))


def _share(path: Path) -> None:
    """Give a file the permissions of every new file: some libraries write what nobody else can read."""
    if path.is_symlink():
        return
    mode = stat.S_IMODE(path.stat().st_mode)
    if _NEW_FILE & ~mode:
        path.chmod(mode | _NEW_FILE)


def _umask() -> int:
    mask = os.umask(0o077)  # it can only be read by setting it; this runs while one thread imports the module
    os.umask(mask)
    return mask


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Make names in a folder survive a power cut; some file systems cannot be asked to."""
    try:
        _sync(path)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EACCES):
            raise


_NEW_FILE: Final = 0o666 & ~_umask()
"""Permissions that a file gets which a program makes without saying otherwise."""


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically. Raises UserError where the target cannot be written."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 to ``path`` atomically.

    Raises:
        UserError: The text holds half a character, as names of other encodings do, or the target cannot be written.
    """
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        around = text[max(0, error.start - 20) : error.end + 20]
        raise UserError(f"Cannot write {path}: {around!r} is not UTF-8.", "Rename what is named so.") from error
    write_bytes(path, data)


def write_csv(path: Path, frame: "pd.DataFrame") -> None:
    """Write a data frame without its index as CSV, atomically, fractions with nine significant digits.

    An estimate from hundreds of videos has three digits that mean something; nine leave the rounding to the reader.

    Raises:
        UserError: A name is not UTF-8, or the target cannot be written.
    """
    write_text(path, frame.to_csv(index=False, lineterminator="\n", float_format=f"%.{_CSV_DIGITS}g"))


def write_parquet(path: Path, frame: "pd.DataFrame") -> None:
    """Write a data frame without its index, atomically.

    Raises:
        UserError: The target cannot be written.
    """
    with atomic_path(path) as temporary:
        frame.to_parquet(temporary, index=False)


def write_json(path: Path, obj: Any) -> None:
    """Write ``obj`` as indented JSON with sorted keys, atomically.

    Raises:
        ValueError: A number is NaN or infinite, which JSON cannot say.
        UserError: The target cannot be written.
    """
    write_text(path, json.dumps(obj, allow_nan=False, ensure_ascii=False, indent=1, sort_keys=True) + "\n")
