"""VBench's static filter: temporal flickering is scored on the first videos of a prompt in which nothing moves.

The rule of `static_filter.py` in VBench's repository, on motion between frames that the caller measures. Torch-free.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.atomic_files import write_json
from probekit.config import StrictModel
from probekit.config_errors import read_json_model
from probekit.errors import UserError
from probekit.media.video_files import read_video
from probekit.progress import track
from probekit.run_folder.sample_key import SampleKey
from probekit.run_folder.video_set import Problem, VideoRow, VideoSet
from probekit.suites.dimension_constants import FLICKERING
from probekit.suites.registry import planned_dimensions

DECISIONS_FILE: Final = "static.json"
KEPT: Final = 5
"""Static videos of each prompt that are scored."""

_FASTEST_SHARE: Final = 0.02
_THRESHOLD, _THRESHOLD_SIDE = 3.0, 256.0
_MOVING_PAIRS, _FRAMES = 2, 16.0


class Motion(NamedTuple):
    """Motion in one video, in pixels.

    Attributes:
        pairs: flow between frames i and i + 1.
        wraps: flow from the first frame to the last, and back.
    """

    pairs: Sequence[float]
    wraps: Sequence[float]


class Filtered(NamedTuple):
    """What the filter kept.

    Attributes:
        rows: videos to score: all of other dimensions, and the first static ones.
        lacking: one entry per static video that a prompt is short of, keyed by one of its moving samples, with the
            reason.
        problems: videos that could not be judged.
    """

    rows: list[VideoRow]
    lacking: dict[SampleKey, str]
    problems: list[Problem]


def fastest_motion(lengths: NDArray[np.floating]) -> NDArray[np.float64]:
    """Mean of the longest 2 % of the flow vectors of each pair (`get_score`).

    Args:
        lengths: lengths of flow vectors in pixels, (N, H, W).
    """
    flat = lengths.reshape(len(lengths), -1)
    count = int(flat.shape[1] * _FASTEST_SHARE)
    if count < 1:
        raise ValueError(f"flow of shape {lengths.shape} has no 2 % to average over")
    return np.asarray(np.sort(flat, axis=1)[:, -count:].mean(axis=1), dtype=np.float64)


def is_static(motion: Motion, height: int, width: int) -> bool:
    """VBench's verdict (`check_static`, `set_params`).

    At most 2 of 16 frames' pairs may move by more than 3 pixels at a short side of 256, and neither wrap by more than
    that times twice the number of allowed pairs. Halves round to even.

    Args:
        motion: result of `fastest_motion`; T - 1 pairs of T frames.
        height: height of the frames, in pixels, before any padding.
        width: width of the frames.
    """
    threshold = _THRESHOLD * (min(height, width) / _THRESHOLD_SIDE)
    allowed = round(_MOVING_PAIRS * ((len(motion.pairs) + 1) / _FRAMES))
    moving = sum(value > threshold for value in motion.pairs)
    return moving <= allowed and all(value <= threshold * allowed * 2 for value in motion.wraps)


def filter_static(
    video_set: VideoSet, measure: Callable[[NDArray[np.uint8]], Motion], scorer_id: str, *, keep: int = KEPT
) -> Filtered:
    """Keep the first static videos of every prompt of temporal flickering, and all videos of other prompts.

    Verdicts are written beside the set after every prompt and read again, so that an interruption costs one prompt.

    Args:
        video_set: the unfiltered set.
        measure: motion of a video, given its frames (T, H, W, 3).
        scorer_id: what measures; verdicts of another are made again.
        keep: static videos of each prompt.
    """
    verdicts = _Verdicts(video_set.root / DECISIONS_FILE, scorer_id)
    rows, lacking, problems = list[VideoRow](), dict[SampleKey, str](), list[Problem]()
    prompts: dict[str, list[VideoRow]] = {}
    for row in video_set.rows:
        if FLICKERING in (planned_dimensions(row.suite, row.prompt_id) or ()):
            prompts.setdefault(row.prompt_id, []).append(row)
        else:
            rows.append(row)
    for videos in track(prompts.values(), "filtering static videos", total=len(prompts)):
        static = list[VideoRow]()
        for row in videos:
            if len(static) == keep:
                break
            try:
                frames = None if verdicts.known(row) else read_video(video_set.root / row.path).frames
            except UserError as error:
                problems.append(Problem(video_set.root / row.path, error.problem))
                continue
            if frames is not None:
                verdicts.add(row, measure(frames))
            static += [row] if verdicts.known(row) == "static" else []
        verdicts.save()
        rows += static
        lacking |= dict(_lacking(videos, static, keep))
    return Filtered(sorted(rows, key=VideoRow.key), lacking, problems)


def _lacking(videos: Sequence[VideoRow], static: Sequence[VideoRow], keep: int) -> Iterator[tuple[SampleKey, str]]:
    others = [row for row in videos if row not in static]
    for row in others[: keep - len(static)]:
        yield row.key(), f"only {len(static)} of {len(videos)} videos are static"


class _Verdicts:
    """Verdicts by video hash, on disk."""

    def __init__(self, path: Path, scorer_id: str) -> None:
        self._path = path
        self._scorer_id = scorer_id
        self._known: dict[str, bool] = {}
        record = _read(path)
        if record is not None and record.scorer_id == scorer_id:
            self._known = dict(record.static)

    def known(self, row: VideoRow) -> Literal["static", "moving"] | None:
        verdict = self._known.get(row.sha256)
        return None if verdict is None else "static" if verdict else "moving"

    def add(self, row: VideoRow, motion: Motion) -> None:
        self._known[row.sha256] = is_static(motion, row.height, row.width)

    def save(self) -> None:
        write_json(self._path, {"scorer_id": self._scorer_id, "static": self._known})


class _Record(StrictModel):
    """Content of the file of verdicts."""

    scorer_id: str
    static: dict[str, bool]


def _read(path: Path) -> _Record | None:
    """The verdicts of an earlier call; None if there are none. Raises UserError where the file is damaged."""
    if not path.is_file():
        return None
    return read_json_model(path, _Record, "Delete it; the videos are judged again.")
