"""Who writes a folder that several workers may share: each its own share of one split, and nobody else."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from probekit.errors import UserError
from probekit.folder_lock import owner_of, sole_writer
from probekit.run_folder.shard import Shard

_LOCK: Final = re.compile(r"\.\w+\.(?:all|shard-(\d+)-of-(\d+))\.lock")


@contextmanager
def writing(folder: Path, work: str, shard: Shard | None) -> Iterator[None]:
    """Be the only writer of a share of a folder in the block; others may write other shares of the same split.

    Args:
        folder: what is written.
        work: name of the work that is shared, for the lock file.
        shard: the writer's share; None is all of it.

    Raises:
        UserError: another process writes this share, or shares of another split, or the folder cannot be written.
    """
    lock = folder / f".{work}.{writer_name(shard)}.lock"
    with sole_writer(lock, folder):
        for other in folder.glob(f".{work}.*.lock"):
            if other != lock and not _fits(other, shard):
                _refuse_unless_dead(other, folder)
        yield


def writer_name(shard: Shard | None) -> str:
    """Name of a writer in file names."""
    return "all" if shard is None else f"shard-{shard.index}-of-{shard.count}"


def is_at_work(folder: Path, work: str, writer: str) -> bool:
    """Whether a process writes the share of this name now."""
    return owner_of(folder / f".{work}.{writer}.lock") is not None


def _fits(lock: Path, shard: Shard | None) -> bool:
    """Whether the lock is of another share of the same split."""
    found = _LOCK.fullmatch(lock.name)
    return bool(found and shard and found[2] and int(found[2]) == shard.count)


def _refuse_unless_dead(lock: Path, folder: Path) -> None:
    owner = owner_of(lock)
    if owner is not None:
        name = lock.name.split(".")[2]
        raise UserError(
            f"{folder} is being written by {owner}, which does {name.replace('-', ' ')}.",
            "Wait until it ends, or give every worker the same N of --shard I/N.",
        )
    lock.unlink(missing_ok=True)
