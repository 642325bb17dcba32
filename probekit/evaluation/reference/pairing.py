"""Which video is compared with which: two folders matched by sample key, or by file name where one has no manifest."""

import logging
from collections.abc import Callable, Hashable, Iterable
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from probekit.errors import UserError
from probekit.media.video_names import check_name, may_be_video
from probekit.provenance import sha256_file
from probekit.run_folder.manifest import load_video_set
from probekit.run_folder.sample_key import SampleKey
from probekit.run_folder.video_set import VideoRow, VideoSet

LOGGER = logging.getLogger("probekit")


class ComparedVideo(NamedTuple):
    """A video, what it is matched by, and its identity in the score table."""

    match: str
    path: Path
    model: str
    training_run: str
    suite: str
    horizon: str
    prompt_id: str
    sample: int
    clip: int
    sha256: str

    def identity(self) -> tuple[str | int, ...]:
        """The fields that name its rows in the score table, less the dimension."""
        return (self.model, self.training_run, self.suite, self.horizon, self.prompt_id, self.sample, self.clip)


class VideoPair(NamedTuple):
    """A video and its reference; None where the reference set has no partner for it."""

    sample: ComparedVideo
    reference: ComparedVideo | None


class PairedVideos(NamedTuple):
    """All videos of a set with their references, and the references that no video was found for."""

    pairs: tuple[VideoPair, ...]
    unmatched_references: tuple[ComparedVideo, ...]
    reference_hash: str
    """First 12 hex digits of a SHA-256 over what every reference is matched by and its content."""


def videos_of_set(videos: VideoSet) -> tuple[ComparedVideo, ...]:
    """The videos of a set (one model, one horizon), matched by sample key and clip."""
    return tuple(_listed(videos.root, row, f"{row.key().filename()} clip {row.clip}") for row in videos.rows)


def _listed(root: Path, row: VideoRow, match: str) -> ComparedVideo:
    return ComparedVideo(
        match=match,
        path=root / row.path,
        model=row.model,
        training_run=row.training_run,
        suite=row.suite,
        horizon=row.horizon,
        prompt_id=row.prompt_id,
        sample=row.sample,
        clip=row.clip,
        sha256=row.sha256,
    )


def videos_by_name(folder: Path) -> tuple[ComparedVideo, ...]:
    """The videos of a folder, matched by path without suffix, relative to the folder (or to a video set's `videos`).

    Videos that no manifest describes get the folder's name as model, and "unknown" as training run and horizon; where
    their name is no sample key, the suite is "custom" and the relative path is the prompt_id.

    Raises:
        UserError: no such folder, or no video in it.
    """
    if _has_manifest(folder):
        videos = load_video_set(folder)
        return tuple(_listed(folder, row, _name(Path(row.path.removeprefix("videos/")))) for row in videos.rows)
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}.", "Give a folder of videos.")
    files = [path for path in sorted(folder.rglob("*")) if _is_video(path) and _has_name(path)]
    if not files:
        raise UserError(f"{folder} holds no video.", "Give a folder of videos.")
    return tuple(_found(folder, path) for path in files)


def _is_video(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".") and may_be_video(path)


def _has_name(path: Path) -> bool:
    """Tell whether a table can hold the name of a file; one that it cannot is left out, with a warning."""
    try:
        check_name(path)
    except UserError as error:
        LOGGER.warning("left out: %s", error.problem)
        return False
    return True


def _found(folder: Path, path: Path) -> ComparedVideo:
    name = _name(path.relative_to(folder))
    try:
        key = SampleKey.parse(path.name)
        suite, prompt_id, sample = key.suite, key.prompt_id, key.sample
    except UserError:
        suite, prompt_id, sample = "custom", name, 0
    model = folder.resolve().name
    return ComparedVideo(
        name, path, model, "unknown", suite, "unknown", prompt_id, sample, clip=0, sha256=sha256_file(path)
    )


def _name(path: Path) -> str:
    return path.with_suffix("").as_posix()


def _has_manifest(folder: Path) -> bool:
    return any(folder.glob("manifest*.json"))


def pair_folders(samples: Path, reference: Path) -> PairedVideos:
    """Pair the videos of two folders: by key where both have manifests, else by file name.

    Raises:
        UserError: a folder without videos, a broken manifest, or two references for one video.
    """
    if _has_manifest(samples) and _has_manifest(reference):
        return pair_videos(videos_of_set(load_video_set(samples)), videos_of_set(load_video_set(reference)))
    return pair_videos(videos_by_name(samples), videos_by_name(reference))


def pair_videos(samples: Iterable[ComparedVideo], references: Iterable[ComparedVideo]) -> PairedVideos:
    """Give every video the reference that is matched by the same.

    Raises:
        UserError: two references are matched by the same, for example videos of two models, or two videos would share
            a row of the score table.
    """
    partners = {video.match: video for video in _unique(references, "be the reference of", lambda video: video.match)}
    compared = _unique(samples, "be scored as", ComparedVideo.identity)
    pairs = tuple(VideoPair(video, partners.get(video.match)) for video in compared)
    matched = {pair.sample.match for pair in pairs}
    unmatched = tuple(video for match, video in partners.items() if match not in matched)
    return PairedVideos(pairs, unmatched, _reference_hash(partners))


def _unique(
    videos: Iterable[ComparedVideo], claim: str, key: Callable[[ComparedVideo], Hashable]
) -> list[ComparedVideo]:
    seen: dict[Hashable, ComparedVideo] = {}
    for video in videos:
        other = seen.setdefault(key(video), video)
        if other is not video:
            raise UserError(
                f"{other.path} and {video.path} would both {claim} {video.match!r}.",
                "Give a set with one video for each key (one model, one file type).",
            )
    return list(seen.values())


def _reference_hash(partners: dict[str, ComparedVideo]) -> str:
    lines = [f"{match}\t{partners[match].sha256}\n" for match in sorted(partners)]
    return sha256("".join(lines).encode()).hexdigest()[:12]
