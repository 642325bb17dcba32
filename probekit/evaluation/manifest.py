"""The manifest of a video set: written by generators (one file a shard), merged and checked by everything after.

A set is the folder ``videos/``, ``protocol.json`` and ``manifest.json``, or one ``manifest.shard-<i>-of-<n>.json`` for
each of n writers. What is not in a manifest does not exist: no step lists folders to find its videos.
"""

import json
import math
import os
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from probekit.atomic_files import is_temporary, write_json
from probekit.config_errors import explain
from probekit.errors import UserError
from probekit.evaluation.protocol_card import GenerationCard, read_protocol
from probekit.evaluation.sample_key import SampleKey
from probekit.evaluation.video_set import VIDEO_FOLDER, Problem, VideoRow, VideoSet, video_path
from probekit.evaluation.video_table import video_set_from_csv
from probekit.provenance import sha256_file
from probekit.video_files import video_info

__all__ = [
    "Problem",
    "Shard",
    "VideoRow",
    "VideoSet",
    "check_video_set",
    "load_video_set",
    "manifest_path",
    "read_manifest",
    "video_set_from_csv",
    "write_manifest",
]

_FPS_TOLERANCE = 1e-6  # relative; containers round rates such as 30000/1001 each in its own way
_SHARD_NAME = re.compile(r"manifest\.shard-(\d+)-of-(\d+)\.json")


@dataclass(frozen=True)
class Shard:
    """One of several workers that share the work on a set.

    Raises:
        UserError: The index is not in 0..count-1.
    """

    index: int
    count: int

    def __post_init__(self) -> None:
        """Refuse a worker that does not exist."""
        if not 0 <= self.index < self.count:
            raise UserError(f"There is no shard {self.index} of {self.count}.", "count shards from 0.")


def manifest_path(root: Path, shard: Shard | None = None) -> Path:
    """Return the manifest file of a set, or of one worker's share of it."""
    return root / ("manifest.json" if shard is None else f"manifest.shard-{shard.index}-of-{shard.count}.json")


def write_manifest(root: Path, rows: Iterable[VideoRow], shard: Shard | None = None) -> None:
    """Write rows as a JSON list, atomically."""
    write_json(manifest_path(root, shard), [row.model_dump(mode="json") for row in rows])


def read_manifest(path: Path) -> list[VideoRow]:
    """Read one manifest file.

    Raises:
        UserError: The file is not a JSON list of video rows, or two rows of a key differ.
    """
    try:
        documents: Any = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is not JSON: {error}.", "generate again; finished videos are kept.") from error
    if not isinstance(documents, list):
        raise UserError(f"{path} is not a list of videos.", "give a manifest that this toolkit wrote.")
    rows = [_row(document, f"{path}, video {number}") for number, document in enumerate(documents, start=1)]
    seen: dict[tuple[SampleKey, int], VideoRow] = {}
    for row in rows:
        if seen.setdefault((row.key(), row.clip), row) != row:
            raise UserError(f"{path} lists {row.path} twice, differently.", "delete the wrong one of the two rows.")
    return rows


def _row(document: Any, source: str) -> VideoRow:
    try:
        return VideoRow.model_validate(document)
    except ValidationError as error:
        raise explain(error, VideoRow, source) from error


def load_video_set(root: Path) -> VideoSet:
    """Read the protocol and merge all manifests of a set; rows are sorted by key, equal rows are kept once.

    Raises:
        UserError: There is no manifest or protocol, one cannot be read, two rows of a key differ, or the videos are
            not of one model, training run, suite and horizon.
    """
    paths = manifest_files(root)
    if not paths:
        raise UserError(f"There is no manifest in {root}.", "give a folder of videos that this toolkit generated.")
    rows: dict[tuple[SampleKey, int], VideoRow] = {}
    for path in paths:
        for row in read_manifest(path):
            if rows.setdefault((row.key(), row.clip), row) != row:
                raise UserError(
                    f"{path} contradicts another manifest of its folder about {row.path}.",
                    "delete the older manifest, or generate into another folder.",
                )
    _check_one_source(root, rows.values())
    return VideoSet(root, tuple(rows[key] for key in sorted(rows)), read_protocol(root))


def _check_one_source(root: Path, rows: Iterable[VideoRow]) -> None:
    sources = {(row.model, row.training_run, row.suite, row.horizon) for row in rows}
    for index, name in enumerate(("model", "training run", "suite", "horizon")):
        found = sorted({source[index] for source in sources})
        if len(found) > 1:
            raise UserError(
                f"The manifests in {root} list videos of more than one {name}: {', '.join(map(repr, found))}.",
                "keep the videos of one model, training run, suite and horizon in a folder.",
            )


def manifest_files(root: Path) -> list[Path]:
    """All manifests of a folder, of however many writers."""
    return sorted(path for path in root.glob("manifest*.json") if not is_temporary(path))


def check_video_set(video_set: VideoSet, planned: Collection[SampleKey] | None = None) -> list[Problem]:
    """Compare a set with its files, its protocol and its plan. An empty list means that all is well.

    Args:
        video_set: The set; every file is decoded and hashed.
        planned: The keys that must be there, no more and no less; None skips this comparison.
    """
    problems = [
        Problem(video_set.root / row.path, text)
        for row in video_set.rows
        if (text := _row_problem(video_set.root / row.path, row, video_set.protocol.generation))
    ]
    problems += _shared_paths(video_set)
    problems += _shard_problems(video_set.root)
    problems += _unlisted_files(video_set)
    if planned is not None:
        problems += _plan_problems(video_set, planned)
    return problems


def _row_problem(path: Path, row: VideoRow, planned: GenerationCard) -> str | None:
    try:
        info = video_info(path)
    except UserError as error:
        return error.problem
    listed = (row.n_frames, row.height, row.width, row.fps)
    protocol = (planned.frames, planned.height, planned.width, planned.fps)
    for name, found, *expected in zip(("frames", "height", "width", "fps"), info, listed, protocol, strict=True):
        for source, value in zip(("manifest", "protocol"), expected, strict=True):
            if value is not None and not _same(name, found, value):
                return f"{name} is {found}, the {source} says {value}"
    return None if sha256_file(path) == row.sha256 else "its content changed after the manifest was written"


def _same(name: str, found: float, expected: float) -> bool:
    return math.isclose(found, expected, rel_tol=_FPS_TOLERANCE) if name == "fps" else found == expected


def _shared_paths(video_set: VideoSet) -> Iterator[Problem]:
    owners: dict[str, SampleKey] = {}
    for row in video_set.rows:
        key = row.key()
        owner = owners.setdefault(os.path.normpath(row.path), key)
        if owner != key:
            shared = f"listed as two videos, {owner.filename()} and {key.filename()}"
            yield Problem(video_set.root / row.path, shared)


def _shard_problems(root: Path) -> Iterator[Problem]:
    shards = set()
    for path in manifest_files(root):
        if match := _SHARD_NAME.fullmatch(path.name):
            index, count = int(match[1]), int(match[2])
            if index < count:
                shards.add(Shard(index, count))
            else:
                yield Problem(path, f"there is no shard {index} of {count}; shards are counted from 0")
    for count in sorted({shard.count for shard in shards}):
        for index in range(count):
            if Shard(index, count) not in shards:
                yield Problem(manifest_path(root, Shard(index, count)), "this worker's manifest is missing")


def _unlisted_files(video_set: VideoSet) -> Iterator[Problem]:
    if not manifest_files(video_set.root):
        return  # an imported table does not own the folder that its videos lie in
    listed = {video_set.root / row.path for row in video_set.rows}
    for path in sorted((video_set.root / VIDEO_FOLDER).glob("*")):
        if path not in listed and not is_temporary(path):
            yield Problem(path, "not in the manifest")


def _plan_problems(video_set: VideoSet, planned: Collection[SampleKey]) -> Iterator[Problem]:
    present = {row.key() for row in video_set.rows}
    for key in sorted(set(planned) - present):
        yield Problem(video_set.root / video_path(key), "planned, but not in the manifest")
    for key in sorted(present - set(planned)):
        yield Problem(video_set.root / video_path(key), "in the manifest, but not planned")
