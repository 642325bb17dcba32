"""A disk that forgets what was not synced: what files would hold if the power went now, or at each rename."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


class Disk:
    """Knows for every file the bytes that it had when it was last synced."""

    def __init__(self) -> None:
        self._synced: dict[int, bytes] = {}
        self.unsynced_renames: list[Path] = []
        self.synced_folders: set[Path] = set()

    def after_power_cut(self, path: Path) -> bytes:
        """What the file would hold."""
        return self._synced.get(path.stat().st_ino, b"")

    def note_sync(self, descriptor: int) -> None:
        target = Path(f"/proc/self/fd/{descriptor}").resolve()
        if target.is_dir():
            self.synced_folders.add(target)
        else:
            self._synced[os.fstat(descriptor).st_ino] = target.read_bytes()

    def note_rename(self, source: Path) -> None:
        files = [path for path in source.rglob("*") if path.is_file()] if source.is_dir() else [source]
        self.unsynced_renames += [path for path in files if self.after_power_cut(path) != path.read_bytes()]


@contextmanager
def watched_disk() -> Iterator[Disk]:
    """Watch every sync and rename of this process in the block."""
    disk = Disk()
    fsync, renames = os.fsync, {name: vars(os)[name] for name in ("rename", "replace")}

    def noting_fsync(file: Any) -> None:
        fsync(file)
        disk.note_sync(file if isinstance(file, int) else file.fileno())

    def noting(name: str) -> Any:
        def rename(source: Any, target: Any, **options: Any) -> None:
            disk.note_rename(Path(source))
            renames[name](source, target, **options)

        return rename

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", noting_fsync)
        for name in renames:
            patch.setattr(os, name, noting(name))
        yield disk
