"""A set of videos: one row for each video, what it shows, and how it must look on disk."""

from pathlib import Path
from typing import NamedTuple

from probekit.config import StrictModel
from probekit.evaluation.protocol_card import ProtocolCard
from probekit.evaluation.sample_key import SampleKey
from probekit.provenance import sha256_file
from probekit.video_files import video_info

VIDEO_FOLDER = "videos"


class VideoRow(StrictModel):
    """One video of a set."""

    model: str
    training_run: str
    suite: str
    horizon: str
    """Length class of the video, for example ``5s`` or ``30s``."""
    prompt_id: str
    sample: int
    clip: int = 0
    """Index of the clip, where a long video is scored in clips."""
    prompt: str
    path: str
    """Relative to the folder of the set."""
    n_frames: int
    fps: float
    height: int
    width: int
    sha256: str

    def key(self) -> SampleKey:
        """Return the sample key. Raises UserError where a field cannot be part of one."""
        return SampleKey(self.suite, self.prompt_id, self.sample)


class VideoSet(NamedTuple):
    """The videos of one model and horizon, with the protocol that made them; rows in the order of their keys."""

    root: Path
    rows: tuple[VideoRow, ...]
    protocol: ProtocolCard


class Problem(NamedTuple):
    """Something wrong with one file; the set as a whole is not what it says until it is mended."""

    path: Path
    problem: str


def video_path(key: SampleKey) -> str:
    """Return where the video of ``key`` lies, relative to the folder of its set."""
    return f"{VIDEO_FOLDER}/{key.filename()}"


def describe_video(
    root: Path, path: str, key: SampleKey, *, model: str, training_run: str, horizon: str, prompt: str
) -> VideoRow:
    """Decode and hash the file ``root/path`` and return its row.

    Raises:
        UserError: The file is missing or damaged.
    """
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
