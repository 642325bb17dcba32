"""Journals: one JSON value per line, appended as it comes. A damaged line costs itself, with its name.

A kill leaves half a line at most, a power cut zeros or garbage. Readers pass over such lines and name them; the
next writer begins a new line.
"""

import json
import logging
import operator
import os
from pathlib import Path
from typing import IO, Any, NamedTuple

from probekit.atomic_files import sync_folder
from probekit.user_files.json_files import parse_json
from probekit.write_failures import naming_write_failures

_log = logging.getLogger("probekit")


class Entry(NamedTuple):
    """A line of a journal that is whole.

    Attributes:
        number: number of the line, from 1.
        value: what it holds.
    """

    number: int
    value: Any


class Journal:
    """Appends to a journal; the file appears with the first line.

    Args:
        path: file; missing parent folders are made.
        synced: whether a line survives a power cut as soon as `append` returns, and not only a kill.
    """

    def __init__(self, path: Path, *, synced: bool) -> None:
        self._path = path
        self._synced = synced
        self._file: IO[bytes] | None = None

    def append(self, value: Any) -> None:
        """Write a value as a line; NumPy's numbers become Python's.

        Raises:
            UserError: the file cannot be written.
        """
        line = json.dumps(value, default=operator.methodcaller("item")).encode() + b"\n"
        with naming_write_failures(self._path):
            if self._file is None:
                self._file = self._open()
            _write_all(self._file, line)
            if self._synced:
                os.fsync(self._file.fileno())

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def remove(self) -> None:
        """Let go of the file and delete it."""
        self.close()
        self._path.unlink(missing_ok=True)

    def _open(self) -> IO[bytes]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered: what a full disk did not take must not come back when the file is closed.
        file = self._path.open("a+b", buffering=0)
        end = file.seek(0, os.SEEK_END)
        if end:
            file.seek(end - 1)
            if file.read(1) != b"\n":
                _write_all(file, b"\n")
        elif self._synced:
            sync_folder(self._path.parent)
        return file


def _write_all(file: IO[bytes], data: bytes) -> None:
    """Write all bytes; on a nearly full disk one call takes a part of them and the next one fails."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def read_journal(path: Path) -> list[Entry]:
    """The whole lines of a journal in order; a damaged line is named in a warning. No file: no lines."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:  # its writer has just moved it elsewhere
        return []
    if lines[-1]:  # half a line, of a killed writer
        name_damaged_line(path, len(lines), "it has no end")
    entries = []
    for number, line in enumerate(lines[:-1], start=1):
        if line:
            try:
                entries.append(Entry(number, parse_json(line.decode(), allow_nan=True)))
            except ValueError as error:
                name_damaged_line(path, number, f"it is not JSON ({error})")
    return entries


def name_damaged_line(path: Path, number: int, problem: str) -> None:
    """Warn that a line of a journal is left out."""
    _log.warning("%s, line %d is damaged and left out: %s", path, number, problem)
