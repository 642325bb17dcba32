"""Comparing a video set with its files, its protocol and its plan, before anything is scored."""

import math
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from probekit.atomic_files import is_temporary
from probekit.errors import UserError
from probekit.media.video_files import video_info
from probekit.progress import track
from probekit.provenance import sha256_file
from probekit.run_folder.manifest import manifest_files, manifest_path
from probekit.run_folder.protocol_card import GenerationCard
from probekit.run_folder.sample_key import SampleKey
from probekit.run_folder.shard import Shard
from probekit.run_folder.video_set import VIDEO_FOLDER, Problem, VideoRow, VideoSet, refuse_picture, video_path

_FPS_TOLERANCE = 1e-6  # relative; containers round rates such as 30000/1001 each in its own way
_SHARD_NAME = re.compile(r"manifest\.shard-(\d+)-of-(\d+)\.json")


class SetCheck(NamedTuple):
    """What a check found.

    Attributes:
        planned: number of videos that must be there.
        absent: planned videos that nothing can be scored of: missing, empty, truncated, unreadable, no video.
        wrong: everything else: videos of another length, size or rate, changed, extra, or listed badly.
        notes: what is legal here and would not be elsewhere: files that differ only in case.
    """

    planned: int
    absent: dict[SampleKey, Problem]
    wrong: list[Problem]
    notes: list[Problem]


def check_video_set(video_set: VideoSet, planned: Collection[SampleKey] | None = None) -> list[Problem]:
    """All problems that `inspect_video_set` finds, in one list. An empty list means that all is well."""
    found = inspect_video_set(video_set, planned)
    return [*found.absent.values(), *found.wrong]


def inspect_video_set(video_set: VideoSet, planned: Collection[SampleKey] | None = None) -> SetCheck:
    """Compare a set with its files, its protocol and its plan.

    Args:
        video_set: The set; every file is decoded and hashed.
        planned: The keys that must be there, no more and no less; None plans what is listed.
    """
    absent: dict[SampleKey, Problem] = {}
    wrong = list(video_set.problems)
    for row in track(video_set.rows, "checking videos"):
        path = video_set.root / row.path
        try:
            text = _difference(path, row, video_set.protocol.generation)
        except UserError as error:
            absent[row.key()] = Problem(path, error.problem)
        else:
            wrong += [Problem(path, text)] if text else []
    wrong += _shared_paths(video_set)
    wrong += _shard_problems(video_set.root)
    wrong += _unlisted_files(video_set)
    listed = {row.key() for row in video_set.rows}
    expected = listed if planned is None else set(planned)
    for key in sorted(expected - listed):
        absent[key] = Problem(video_set.root / video_path(key), "planned, but not in the manifest")
    for key in sorted(listed - expected):
        wrong.append(Problem(video_set.root / video_path(key), "in the manifest, but not planned"))
        absent.pop(key, None)
    return SetCheck(len(expected), absent, wrong, list(_case_collisions(video_set)))


def _difference(path: Path, row: VideoRow, planned: GenerationCard) -> str | None:
    """How a video that can be read differs from what is said of it. Raises UserError if it cannot be read."""
    info = video_info(path)
    refuse_picture(path, info.n_frames)
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
    """Files that are listed for different prompts or samples. Entries of one text may share a file, as in VBench."""
    owners: dict[str, VideoRow] = {}
    for row in video_set.rows:
        owner = owners.setdefault(os.path.normpath(row.path), row)
        if owner.key() != row.key() and (owner.prompt, owner.sample) != (row.prompt, row.sample):
            shared = f"listed as two videos, {owner.key().filename()} and {row.key().filename()}"
            yield Problem(video_set.root / row.path, shared)


def _case_collisions(video_set: VideoSet) -> Iterator[Problem]:
    """Files that would be one on a disk that ignores case or the form of accents (macOS, Windows)."""
    names: dict[str, set[str]] = defaultdict(set)
    for row in video_set.rows:
        path = os.path.normpath(row.path)
        names[folded(path)].add(path)
    for paths in names.values():
        if len(paths) > 1:
            first, *others = sorted(paths)
            text = f"differs only in case from {', '.join(others)}; a disk that ignores case would hold one of them"
            yield Problem(video_set.root / first, text)


def folded(name: str) -> str:
    """What disks that ignore case make of a name."""
    return unicodedata.normalize("NFC", name).casefold()


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
