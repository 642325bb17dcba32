"""Videos that a result does without: named with the reason, and rows without a value in the score table.

The list is made on purpose, by `--allow-missing`. A score table then has a row for every planned video, so that each
table of a comparison states n scored of N planned; a video that is there after all is scored and needs no such row.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import Field

from probekit.atomic_files import is_temporary, write_json
from probekit.config import StrictModel
from probekit.config_errors import read_json_model
from probekit.run_folder.sample_key import SampleKey
from probekit.run_folder.score_table import SCORES_FOLDER, ScoreRow, read_scores, write_scores
from probekit.run_folder.video_set import VideoSet
from probekit.suites.registry import planned_dimensions

ABSENT_FILE: Final = "absent.json"
ABSENT_SCORES: Final = "absent.parquet"
NO_VIDEO: Final = "absent"
"""Stands for the hash of a video that is not there."""


class AbsentVideo(StrictModel):
    """One planned video of which nothing can be scored."""

    prompt_id: str
    sample: int = Field(ge=0)
    reason: str = Field(min_length=1)


class AbsentVideos(StrictModel):
    """What a set lacks of its plan."""

    planned: int = Field(ge=1)
    videos: tuple[AbsentVideo, ...]

    def coverage(self) -> str:
        """How many of the planned videos are there, as n/N."""
        return f"{self.planned - len(self.videos)}/{self.planned}"

    def reasons(self, suite: str) -> dict[SampleKey, str]:
        """Why each video is absent, by its key."""
        return {SampleKey(suite, video.prompt_id, video.sample): video.reason for video in self.videos}


def absent_videos(planned: int, reasons: Mapping[SampleKey, str]) -> AbsentVideos:
    """The list of absent videos, sorted by key."""
    rows = (AbsentVideo(prompt_id=k.prompt_id, sample=k.sample, reason=reasons[k]) for k in sorted(reasons))
    return AbsentVideos(planned=planned, videos=tuple(rows))


def write_absent(root: Path, absent: AbsentVideos) -> None:
    """Record in a run folder what is allowed to be missing; a set that lacks nothing has no such file."""
    if absent.videos:
        write_json(root / ABSENT_FILE, absent.model_dump(mode="json"))
    else:
        (root / ABSENT_FILE).unlink(missing_ok=True)


def read_absent(root: Path) -> AbsentVideos | None:
    """What a run folder is allowed to lack; None if nothing.

    Raises:
        UserError: the file is damaged.
    """
    path = root / ABSENT_FILE
    if not path.is_file():
        return None
    return read_json_model(path, AbsentVideos, "run `probekit manifest check --allow-missing` again.")


def write_absent_scores(video_set: VideoSet, out: Path) -> int:
    """Give every absent video a row without a value in each dimension that the others of the set were scored in.

    Args:
        video_set: the set, with its list of absent videos beside it.
        out: folder that has the set's scores.

    Returns:
        Number of absent videos that have such rows now.
    """
    path = out / SCORES_FOLDER / ABSENT_SCORES
    absent = read_absent(video_set.root)
    files = [file for file in (out / SCORES_FOLDER).glob("*.parquet") if file != path and not is_temporary(file)]
    tables = [read_scores(file) for file in sorted(files)]
    scored = {key for table in tables for key in zip(table["prompt_id"], table["sample"], strict=True)}
    missing = [v for v in absent.videos if (v.prompt_id, v.sample) not in scored] if absent else []
    scorers = {scorer["dimension"]: scorer for table in tables for scorer in table.to_dict("records")}
    rows = list(_rows(missing, scorers.values()))
    if rows:
        write_scores(path, rows)
    else:
        path.unlink(missing_ok=True)
    return len(missing)


def _rows(missing: Iterable[AbsentVideo], scorers: Collection[dict[Any, Any]]) -> Iterator[ScoreRow]:
    for video in missing:
        for scorer in scorers:
            planned = planned_dimensions(scorer["suite"], video.prompt_id)
            if planned is None or scorer["dimension"] in planned:
                yield _row(video, scorer)


def _row(video: AbsentVideo, scorer: dict[Any, Any]) -> ScoreRow:
    same = ("model", "training_run", "suite", "horizon", "dimension", "unit", "range_low", "range_high", "scorer_id")
    return ScoreRow(
        **{name: scorer[name] for name in same},
        prompt_id=video.prompt_id,
        sample=video.sample,
        clip=0,
        value=None,
        numerator=None,
        denominator=None,
        reason=f"no video: {video.reason}",
        video_sha256=NO_VIDEO,
    )
