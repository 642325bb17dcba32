"""A video set under the names that VBench looks for, `<prompt>-<i>.mp4`, and the record that leads back to its keys.

VBench takes the suffix of all videos from whatever file its folder lists first, so the folder holds videos alone; the
record lies beside it, as ``<folder>.export.json``. Two texts are two entries each and two more differ only in case:
where such videos would overwrite one another, the later goes to ``<folder>.2``.
"""

import itertools
import os
import shutil
import tempfile
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from probekit.atomic_files import atomic_path, write_json
from probekit.config import StrictModel
from probekit.config_errors import read_json_model
from probekit.errors import UserError
from probekit.provenance import sha256_file
from probekit.run_folder.video_set import Problem, VideoRow, VideoSet
from probekit.run_folder.video_set_check import folded

_RECORD: Final = ".export.json"
_PROBE: Final = ".tmp-case"


class ExportedFile(StrictModel):
    """One exported file."""

    file: str
    """Relative to the folder of the record."""
    suite: str
    prompt_id: str
    sample: int
    sha256: str


class ExportRecord(StrictModel):
    """Everything that one export wrote."""

    model: str
    files: tuple[ExportedFile, ...]


class Export(NamedTuple):
    """What an export did.

    Attributes:
        record: path of the record.
        n_videos: exported videos.
        n_copied: files that had to be copied, because links are not possible there.
        problems: videos that were not exported, and why.
        collisions: names that two different videos want, with the folder that the later is in.
    """

    record: Path
    n_videos: int
    n_copied: int
    problems: list[Problem]
    collisions: list[str]


class _Target(NamedTuple):
    folder: str
    name: str
    row: VideoRow


def record_path(folder: Path) -> Path:
    """Where the record of an exported folder lies."""
    return folder.with_name(folder.name + _RECORD)


def export_named(
    video_set: VideoSet, out: Path, texts: Mapping[str, str], folders: Mapping[str, Sequence[str]] | None = None
) -> Export:
    """Write links to the videos of a set, named by text and sample; files that cannot be linked are copied.

    Args:
        video_set: the set.
        out: a new folder.
        texts: the text in the names, by prompt identifier.
        folders: folders in `out` that want a prompt's videos, by its identifier; None puts all into `out` itself.

    Raises:
        UserError: `out` has files, videos have different suffixes, or nothing can be written there.
    """
    if record_path(out).exists() or (out.exists() and not (out.is_dir() and not any(out.iterdir()))):
        raise UserError(f"{out} or its record is there already.", "Choose a new folder for the export.")
    problems = [
        Problem(video_set.root / row.path, text) for row in video_set.rows if (text := _changed(video_set, row))
    ]
    broken = {problem.path for problem in problems}
    rows = [row for row in video_set.rows if video_set.root / row.path not in broken]
    suffix = _only_suffix(rows)
    targets = [
        _Target(folder, f"{texts[row.prompt_id]}-{row.sample}{suffix}", row)
        for row in rows
        for folder in ([""] if folders is None else folders[row.prompt_id])
    ]
    out.mkdir(parents=True, exist_ok=True)
    placed = _place(targets, out, ignores_case(out))
    copied = sum(_link(video_set.root / rows[0].path, path) for path, rows in placed.items())
    files = [_exported(path, row, out) for path, rows in placed.items() for row in rows]
    model = rows[0].model if rows else ""
    record = ExportRecord(model=model, files=tuple(files))
    write_json(record_path(out), record.model_dump(mode="json"))
    return Export(record_path(out), len(rows), copied, problems, list(_collisions(placed, out)))


def read_export(folder: Path) -> ExportRecord | None:
    """The record of an exported folder; None if it has none.

    Raises:
        UserError: the record is damaged.
    """
    path = record_path(folder)
    if not path.is_file():
        return None
    return read_json_model(path, ExportRecord, "delete it; files are then told by their names.")


def ignores_case(folder: Path) -> bool:
    """Tell whether a folder's disk takes names that differ only in case for one."""
    with tempfile.NamedTemporaryFile(prefix=_PROBE, dir=folder) as file:
        return Path(file.name).with_name(Path(file.name).name.upper()).exists()


def _changed(video_set: VideoSet, row: VideoRow) -> str | None:
    path = video_set.root / row.path
    if not path.is_file():
        return "there is no such file"
    return None if sha256_file(path) == row.sha256 else "its content changed after the manifest was written"


def _only_suffix(rows: Sequence[VideoRow]) -> str:
    suffixes = sorted({Path(row.path).suffix.lower() for row in rows})
    if len(suffixes) > 1:
        raise UserError(
            f"The videos have different suffixes: {', '.join(suffixes)}; VBench sees those of one alone.",
            "Encode all of them as .mp4.",
        )
    return suffixes[0] if suffixes else ""


def _place(targets: Iterable[_Target], out: Path, one_case: bool) -> dict[Path, list[VideoRow]]:
    """Files to write and the videos that each shows; different videos never share one."""
    placed: dict[Path, list[VideoRow]] = {}
    taken: dict[str, tuple[Path, str]] = {}
    for folder, name, row in targets:
        for number in itertools.count(1):
            path = _numbered(out, number) / folder / name
            form = folded(str(path)) if one_case else unicodedata.normalize("NFC", str(path))
            owner, content = taken.setdefault(form, (path, row.sha256))
            if content == row.sha256:  # free, or the same video: entries of one text may share it
                placed.setdefault(owner, []).append(row)
                break
    return placed


def _numbered(out: Path, number: int) -> Path:
    return out if number == 1 else out.with_name(f"{out.name}.{number}")


def _collisions(placed: Mapping[Path, Sequence[VideoRow]], out: Path) -> Iterator[str]:
    """Names that more than one video wants, and names that a disk that ignores case would not keep apart."""
    names: dict[str, list[Path]] = defaultdict(list)
    for path in placed:
        inside = Path(*path.relative_to(out.parent).parts[1:])
        names[folded(str(inside))].append(path)
    for paths in names.values():
        if len(paths) > 1:
            shown = (f"{path.relative_to(out.parent)} ({placed[path][0].prompt_id})" for path in paths)
            yield f"one name for different videos, or but for its case: {', '.join(shown)}"


def _link(source: Path, target: Path) -> bool:
    """Link a file, or copy it where the disk cannot; tells whether it was copied."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source.resolve(), target)
    except OSError:  # another disk, or one without links
        with atomic_path(target) as temporary:
            shutil.copyfile(source, temporary)
        return True
    return False


def _exported(path: Path, row: VideoRow, out: Path) -> ExportedFile:
    return ExportedFile(
        file=path.relative_to(out.parent).as_posix(),
        suite=row.suite,
        prompt_id=row.prompt_id,
        sample=row.sample,
        sha256=row.sha256,
    )
