"""Fetches weights when asked to: verified, atomic, never behind anybody's back."""

import os
import shutil
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from probekit.atomic_files import atomic_path
from probekit.errors import UserError
from probekit.evaluation.vbench.official.extras import HUB_MODELS, missing_code, missing_hub_files
from probekit.evaluation.vbench.official.readiness import different_files
from probekit.evaluation.vbench.weights import WeightFile, missing
from probekit.provenance import sha256_file
from probekit.suites.dimension_constants import VBENCH

OFFLINE_VARIABLE: Final = "HF_HUB_OFFLINE"

_TIMEOUT_SECONDS: Final = 60.0
_TRUE: Final = {"1", "ON", "YES", "TRUE"}


class Wanted(NamedTuple):
    """What is to be fetched.

    Attributes:
        files: weights and code, each once.
        hub: files of Hub models, as (model, file).
    """

    files: tuple[WeightFile, ...]
    hub: tuple[tuple[str, str], ...]


def wanted(dimensions: Sequence[str]) -> Wanted:
    """All that dimensions lack, and files that are there but are not the published ones.

    Args:
        dimensions: names; none means all sixteen.

    Raises:
        UserError: if VBench has no such dimension.
    """
    names = dimensions or tuple(VBENCH)
    files = dict.fromkeys(file for name in names for file in _lacking(name))
    hub = dict.fromkeys((HUB_MODELS[name].name, path) for name in names for path in _hub_files(name))
    return Wanted(tuple(files), tuple(hub))


def _lacking(dimension: str) -> list[WeightFile]:
    absent = [*missing(dimension), *missing_code(dimension)]
    return absent + [file for file, _ in different_files(VBENCH[dimension])]


def _hub_files(dimension: str) -> list[str]:
    return [name.partition("/")[2] for name in missing_hub_files(dimension)]


def is_offline() -> bool:
    """Whether `$HF_HUB_OFFLINE` forbids the network."""
    return os.environ.get(OFFLINE_VARIABLE, "").upper() in _TRUE


def refuse_offline(what: Wanted, *, offline: bool) -> None:
    """Stop before anything is fetched.

    Raises:
        UserError: if something is wanted while the network is forbidden.
    """
    if (what.files or what.hub) and (offline or is_offline()):
        names = [str(file.path) for file in what.files] + [f"{model}/{file}" for model, file in what.hub]
        raise UserError(f"Offline, and not there: {', '.join(names)}.", "Put them there, or fetch without --offline.")


def fetch(file: WeightFile) -> Path:
    """Fetch a file, or the folder that its `member` names; what is there already is replaced only by what is right.

    Raises:
        UserError: if it cannot be had, or is not the published file.
    """
    if file.member is None:
        with atomic_path(file.path) as temporary:
            _download(file.url, temporary)
            _verify(file, temporary)
        return file.path
    with tempfile.TemporaryDirectory(prefix="probekit-fetch-") as folder:
        archive = Path(folder) / "archive.zip"
        _download(file.url, archive)
        _unpack(file, archive)
    return file.path


def fetch_from_hub(files: Iterable[tuple[str, str]]) -> list[Path]:
    """Fetch files of Hub models into the Hub's own cache.

    Raises:
        UserError: if one cannot be had.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    paths = []
    for model, name in files:
        try:
            paths.append(Path(hf_hub_download(model, name)))
        except (LocalEntryNotFoundError, OfflineModeIsEnabled, HfHubHTTPError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"{model}/{name} cannot be fetched: {reason}", "Check the connection.") from error
    return paths


def _download(url: str, path: Path) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": "probekit"})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as source, path.open("wb") as target:
            shutil.copyfileobj(source, target)
            _refuse_short(url, path, target.tell(), source.headers.get("Content-Length"))
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise UserError(f"{url} cannot be fetched: {error}.", f"Check the connection, or put it at {path}.") from error


def _refuse_short(url: str, path: Path, size: int, announced: str | None) -> None:
    if announced is not None and size != int(announced):
        raise UserError(f"{url} ended after {size} of {announced} bytes.", f"Try again, or put it at {path}.")


def _verify(file: WeightFile, path: Path) -> None:
    sha256 = sha256_file(path)
    if file.sha256 is not None and sha256 != file.sha256:
        raise UserError(
            f"{file.url} gave {path.stat().st_size} bytes of SHA-256 {sha256}; {file.name} has {file.sha256}.",
            "Try again; if it stays so, the publisher has changed the file: get it elsewhere.",
        )


def _unpack(file: WeightFile, archive: Path) -> None:
    assert file.member is not None
    try:
        with zipfile.ZipFile(archive) as content:
            if not file.member.endswith("/"):
                with atomic_path(file.path) as temporary, content.open(file.member) as source:
                    with temporary.open("wb") as target:
                        shutil.copyfileobj(source, target)
                    _verify(file, temporary)
                return
            _unpack_folder(content, file.member, file.path.parent)
    except (zipfile.BadZipFile, KeyError) as error:
        raise UserError(f"{file.url} is no archive with {file.member}: {error}.", "Try again.") from error


def _unpack_folder(content: zipfile.ZipFile, prefix: str, folder: Path) -> None:
    """The files below `prefix`; the one that tells that the folder is complete comes last."""
    names = [name for name in content.namelist() if name.startswith(prefix) and not name.endswith("/")]
    if not names:
        raise KeyError(prefix)
    for name in sorted(names, key=lambda name: name.endswith("/hubconf.py")):
        relative = PurePosixPath(name.removeprefix(prefix))
        if relative.is_absolute() or ".." in relative.parts:
            raise UserError(f"The archive holds {name}, which would leave its folder.", "Do not use that archive.")
        with atomic_path(folder / relative) as temporary:
            temporary.write_bytes(content.read(name))
