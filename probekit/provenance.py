"""What made a file: the commit, the packages, the command and the machine."""

import hashlib
import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Final, NamedTuple

_PACKAGE_FOLDER = Path(__file__).resolve().parent
_SETTLED_SECONDS: Final = 10.0


class GitState(NamedTuple):
    """The state of the toolkit's own source; both fields are None where it does not run from a git checkout."""

    commit: str | None
    dirty: bool | None


def git_state() -> GitState:
    """Return the commit of the toolkit's source and whether its packages differ from that commit."""
    # An installed copy may lie inside somebody else's checkout; only a tracked file speaks for this project.
    if _git("ls-files", "--error-unmatch", "__init__.py") is None:
        return GitState(None, None)
    commit = _git("rev-parse", "HEAD")
    changes = _git("status", "--porcelain", "--", ".", "../trainer")
    return GitState(commit, None if changes is None else bool(changes))


def _git(*arguments: str) -> str | None:
    try:
        result = subprocess.run(["git", "-C", _PACKAGE_FOLDER, *arguments], capture_output=True, text=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None
    return result.stdout.strip()


def package_versions(names: Iterable[str]) -> dict[str, str]:
    """Return the version of each installed distribution in ``names``; those not installed are left out."""
    versions = {}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def hardware() -> dict[str, str | int]:
    """Describe the machine: architecture, processor, cores, memory in GiB.

    Once torch is loaded, its threads and the GPUs as well.
    """
    facts: dict[str, str | int] = {
        "machine": platform.machine(),
        "system": platform.system(),
        "processor": _processor_name(),
        "cores": os.cpu_count() or 1,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
    }
    torch = sys.modules.get("torch")  # asked, never imported: light commands must stay light
    if torch is not None:
        facts["threads"] = torch.get_num_threads()
    if torch is not None and torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        facts["gpus"] = ", ".join(names)
    return facts


def _processor_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_settled(path: Path) -> str:
    """`sha256_file`, once per process while a file does not change: a sweep asks for one teacher hundreds of times.

    A file that has just changed is read again, since a further change might leave its time as it is.
    """
    status = path.stat()
    if time.time() - status.st_mtime < _SETTLED_SECONDS:
        return sha256_file(path)
    return _settled_hash(path.resolve(), status.st_ino, status.st_size, status.st_mtime_ns)


@cache
def _settled_hash(path: Path, *_identity: int) -> str:
    return sha256_file(path)


def sha256_of_samples(path: Path, sample: int = 2**20) -> str:
    """SHA-256 of a file's size, first, middle and last bytes; for data that are too large to be read at each start.

    A copy has the same hash. Files made again from other seeds or by other models differ in all places. A change of a
    few bytes between the places that are read is not seen.

    Args:
        path: file.
        sample: bytes of each place; a file of three times this is read whole.
    """
    size = path.stat().st_size
    digest = hashlib.sha256(f"{size}/".encode())
    with path.open("rb") as file:
        starts = (0, (size - sample) // 2, size - sample) if size > 3 * sample else (0, sample, 2 * sample)
        for start in starts:
            file.seek(start)
            digest.update(file.read(sample))
    return digest.hexdigest()


def sha256_text(text: str) -> str:
    """Return the SHA-256 of a text's UTF-8 bytes as 64 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def command_line() -> str:
    """Return the running command: the program's base name and its arguments, quoted for a shell.

    A package that runs as `python -m probekit.cli` has the name of its command, `probekit`.
    """
    program = Path(sys.argv[0]).name
    if program == "__main__.py":
        program = str(sys.modules["__main__"].__package__).partition(".")[0]
    return shlex.join([program, *sys.argv[1:]])
