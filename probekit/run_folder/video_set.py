"""A set of videos: one row for each video, what it shows, and how it must look on disk."""

from pathlib import Path, PurePosixPath
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, Field

from probekit.config import StrictModel
from probekit.errors import UserError
from probekit.media.video_files import video_info
from probekit.media.video_names import check_name
from probekit.provenance import sha256_file
from probekit.run_folder.protocol_card import ProtocolCard
from probekit.run_folder.sample_key import SampleKey

VIDEO_FOLDER = "videos"


def _relative(path: str) -> str:
    if not path or PurePosixPath(path).is_absolute() or "\0" in path:
        raise ValueError("it should be relative to the folder of the set")
    return path


_Count = Annotated[int, Field(gt=0)]
_Index = Annotated[int, Field(ge=0)]


class VideoRow(StrictModel):
    """One video of a set."""

    model: str
    training_run: str
    suite: str
    horizon: str
    """Length class of the video, for example ``5s`` or ``30s``."""
    prompt_id: str
    sample: _Index
    clip: _Index = 0
    """Index of the clip, where a long video is scored in clips."""
    prompt: str
    path: Annotated[str, AfterValidator(_relative)]
    """Relative to the folder of the set; the videos of imported sets lie outside it (``../``)."""
    n_frames: _Count
    fps: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    height: _Count
    width: _Count
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]

    def key(self) -> SampleKey:
        """Return the sample key. Raises UserError where a field cannot be part of one."""
        return SampleKey(self.suite, self.prompt_id, self.sample)


class Problem(NamedTuple):
    """Something wrong with one file; the set as a whole is not what it says until it is mended."""

    path: Path
    problem: str


class VideoSet(NamedTuple):
    """Videos of one model, training run, suite and horizon, with their protocol; rows in the order of their keys.

    Attributes:
        problems: what the manifests say that is not legal or contradicts itself, and is in no row therefore.
    """

    root: Path
    rows: tuple[VideoRow, ...]
    protocol: ProtocolCard
    problems: tuple[Problem, ...] = ()


def video_path(key: SampleKey) -> str:
    """Return where the video of ``key`` lies, relative to the folder of its set."""
    return f"{VIDEO_FOLDER}/{key.filename()}"


def describe_video(
    root: Path, path: str, key: SampleKey, *, model: str, training_run: str, horizon: str, prompt: str
) -> VideoRow:
    """Decode and hash the file ``root/path`` and return its row.

    Raises:
        UserError: The file is missing or damaged, or its name is not UTF-8.
    """
    check_name(root / path)
    info = video_info(root / path)
    return VideoRow(
        model=model,
        training_run=training_run,
        suite=key.suite,
        horizon=horizon,
        prompt_id=key.prompt_id,
        sample=key.sample,
        prompt=prompt,
        path=path,
        n_frames=info.n_frames,
        fps=info.fps,
        height=info.height,
        width=info.width,
        sha256=sha256_file(root / path),
    )


def refuse_picture(path: Path, n_frames: int) -> None:
    """Refuse a file of one frame, in which nothing can move.

    Raises:
        UserError: The file has a single frame.
    """
    if n_frames == 1:
        raise UserError(f"{path} has one frame; it is a picture.", "Give a video of two frames or more.")
