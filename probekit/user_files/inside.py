"""Names that files give for other files: they stay in the folder that they are meant for."""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

from probekit.errors import UserError

_LONGEST = 100
_READABLE = 60
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9.,-]+")


def inside(folder: Path, name: str, source: str) -> Path:
    """The file of a folder that a field of another file names.

    Args:
        folder: folder that the file must be in, at any depth.
        name: name as the field gives it; both kinds of slashes part it.
        source: beginning of messages: the file and field that gave the name.

    Raises:
        UserError: The name is empty or absolute, leads out of the folder, or no file can have it.
    """
    parts = (*PurePosixPath(name).parts, *PureWindowsPath(name).parts)
    absolute = name.startswith(("/", "\\")) or bool(PureWindowsPath(name).drive)
    if not parts or absolute or ".." in parts or "\0" in name:
        raise UserError(f"{source} names {name!r}, which is no file inside {folder}.", "Do not use that file.")
    return folder / name


def folder_names(texts: Sequence[Sequence[str]]) -> list[str]:
    """One legal part of a path for each row of texts of a table, such as model and horizon.

    A row that is legal, or nearly, keeps its readable form; where that is empty, too long or that of another row, also
    on disks that ignore case, a hash of the texts is added.
    """
    readable = ["--".join(_NOT_IN_NAMES.sub("-", text).strip("-") for text in row) for row in texts]
    shared = Counter(name.casefold() for name in readable)
    return [
        name if shared[name.casefold()] == 1 and _is_plain(name) else _hashed(name, row)
        for name, row in zip(readable, texts, strict=True)
    ]


def _is_plain(name: str) -> bool:
    return all(part.strip(".") for part in name.split("--")) and len(name) <= _LONGEST


def _hashed(readable: str, row: Sequence[str]) -> str:
    digest = hashlib.sha256("\0".join(row).encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{readable[:_READABLE].strip('-.')}-{digest}".lstrip("-")
