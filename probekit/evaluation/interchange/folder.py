"""A folder of videos from anywhere as a set: files named `<text>-<i>` are samples of one prompt, as in VBench."""

import hashlib
import logging
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from probekit.atomic_files import is_temporary
from probekit.errors import UserError
from probekit.evaluation.interchange.table import (
    IMPORTED_SUITE,
    VideoTable,
    describe_import,
    imported_set,
    usual_generation,
)
from probekit.media.video_names import check_name, may_be_video
from probekit.progress import track
from probekit.run_folder.sample_key import SampleKey
from probekit.run_folder.video_set import Problem, VideoRow, VideoSet
from probekit.user_files.prompts import listed

LOGGER = logging.getLogger("probekit")

_NUMBERED = re.compile(r"(?P<text>.+)-(?P<sample>\d{1,9})", re.DOTALL)
_SAME_LENGTH = 1.25
_READABLE = 60  # characters of a text that stay in its identifier


class _Named(NamedTuple):
    key: SampleKey
    text: str


def video_files(folder: Path) -> list[Path]:
    """Files of a folder that should be videos, sorted by name; hidden and unfinished ones do not count.

    Sound, subtitles, pictures and texts beside videos are none. Folders in it are not looked into; the log says so.

    Raises:
        UserError: there is no such folder, it cannot be read, or it holds no such file.
    """
    try:
        if not folder.is_dir():
            raise UserError(f"There is no folder {folder}.", "Give a folder of videos.")
        entries = sorted(path for path in folder.iterdir() if not path.name.startswith(".") and not is_temporary(path))
        folders = [path.name for path in entries if path.is_dir()]
    except OSError as error:
        raise UserError(f"The folder {folder} cannot be read: {error.strerror}.", "Check its permissions.") from error
    files = [path for path in entries if path.name not in folders and may_be_video(path)]
    inside = f"; the folders in it are not looked into: {listed(folders)}" if folders else ""
    if not files:
        raise UserError(f"The folder {folder} holds no video{inside}.", "Give a folder of videos, or each in its turn.")
    if folders:
        LOGGER.warning("%s%s", folder, inside)
    return files


def read_video_folder(folder: Path, *, model: str | None = None, horizon: str | None = None) -> VideoTable:
    """Read the videos of a folder into sets of the suite `custom`: one, or one for each class of lengths.

    Args:
        folder: folder with the videos; its folders are not looked into.
        model: name in tables; by default the folder's.
        horizon: length class in tables; by default videos of 5 s and of 30 s are two sets, '5s' and '30s'.

    Raises:
        UserError: as `video_files`.
    """
    name = model or folder.resolve().name
    check_name(Path(name))
    problems: list[Problem] = []
    owners: dict[SampleKey, list[tuple[Path, str]]] = defaultdict(list)
    for path in video_files(folder):
        key, text = _named(path)
        owners[key].append((path, text))
    rows: list[VideoRow] = []
    for key, files in track(owners.items(), "reading videos", total=len(owners)):
        if len(files) > 1:
            problems += [Problem(path, _two_files(path, [other for other, _ in files])) for path, _ in files]
            continue
        path, text = files[0]
        try:
            rows.append(
                describe_import(
                    folder, path.name, key, model=name,
                    horizon=horizon or "", prompt=text,
                )
            )  # fmt: skip
        except UserError as error:
            problems.append(Problem(path, error.problem))
    groups = [rows] if horizon and rows else _by_length(rows)
    return VideoTable([_set(folder, group, horizon or _horizon(group)) for group in groups], problems)


def _set(folder: Path, rows: Sequence[VideoRow], horizon: str) -> VideoSet:
    video_set = imported_set(folder, [row.model_copy(update={"horizon": horizon}) for row in rows])
    protocol = video_set.protocol.model_copy(update={"generation": usual_generation(rows)})
    return video_set._replace(protocol=protocol)


def _by_length(rows: Sequence[VideoRow]) -> list[list[VideoRow]]:
    """Videos of about the same length together: none is a quarter longer than the shortest of its group."""
    groups: list[list[VideoRow]] = []
    for row in sorted(rows, key=_seconds):
        if not groups or _seconds(row) > _SAME_LENGTH * _seconds(groups[-1][0]):
            groups.append([])
        groups[-1].append(row)
    return groups


def _seconds(row: VideoRow) -> float:
    return row.n_frames / row.fps


def _two_files(path: Path, claims: Sequence[Path]) -> str:
    others = ", ".join(claim.name for claim in claims if claim != path)
    return f"shows the same sample as {others} by its name, so that neither counts"


def _named(path: Path) -> _Named:
    """Key and prompt by the name of a file: the toolkit's own, else VBench's rule for videos of one's own."""
    try:
        key = SampleKey.parse(path.name)
    except UserError:
        match = _NUMBERED.fullmatch(path.stem)
        text, sample = (match["text"], int(match["sample"])) if match else (path.stem, 0)
        return _Named(SampleKey(IMPORTED_SUITE, safe_identifier(text), sample), text)
    return _Named(SampleKey(IMPORTED_SUITE, key.prompt_id, key.sample), key.prompt_id)


def safe_identifier(text: str) -> str:
    """An identifier that stands for a text in file names: the text where it is legal, else a readable part and a hash.

    The same for a text whatever else there is, and for either form of its accents.
    """
    normal = unicodedata.normalize("NFC", text)
    readable = re.sub(r"[^A-Za-z0-9.]+", "-", normal).strip("-.")[:_READABLE].rstrip("-.")
    if readable == normal:
        return normal
    digest = hashlib.sha256(normal.encode("utf-8", "surrogateescape")).hexdigest()[:10]
    return f"{readable}-{digest}" if readable else digest


def _horizon(rows: Sequence[VideoRow]) -> str:
    seconds = Counter(max(1, int(_seconds(row))) for row in rows)
    return f"{min(seconds, key=lambda length: (-seconds[length], length))}s"
