"""Scores of single videos, for the page that shows them."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from probekit.run_folder.video_set import VideoRow
from probekit.statistics.prompt_scores import ScoreTable

_PERCENT = 100.0


class ScoreCell(NamedTuple):
    """One score in percent, or None and why."""

    value: float | None
    reason: str | None


class VideoKey(NamedTuple):
    """Columns of a score table that identify a video, all clips of it together."""

    model: str
    training_run: str
    suite: str
    horizon: str
    prompt_id: str
    sample: int


VideoScores = Mapping[VideoKey, Mapping[str, ScoreCell]]
"""For each video, a cell for each dimension."""

ABSENT = ScoreCell(None, "not in the score table")


def video_scores(table: ScoreTable, order: Sequence[str]) -> VideoScores:
    """Gather a score table by video; a video scored in clips shows the mean of its scored clips.

    Args:
        table: Long score table.
        order: Dimensions in the order of the page; those that are not named follow.
    """
    found: dict[VideoKey, dict[str, list[tuple[float, str]]]] = {}
    columns = [table[name] for name in (*VideoKey._fields, "dimension", "value", "reason")]
    for *names, dimension, value, reason in zip(*columns, strict=True):
        scores = found.setdefault(VideoKey(*names), {}).setdefault(dimension, [])
        # A null is None or NaN, depending on where the table comes from.
        scores.append((math.nan if value is None else float(value), reason if isinstance(reason, str) else ""))
    return {
        key: {name: _mean_of_clips(scores[name]) for name in dict.fromkeys([*order, *scores]) if name in scores}
        for key, scores in found.items()
    }


def video_key(row: VideoRow) -> VideoKey:
    """The key of a video of a set."""
    return VideoKey(row.model, row.training_run, row.suite, row.horizon, row.prompt_id, row.sample)


def _mean_of_clips(clips: list[tuple[float, str]]) -> ScoreCell:
    values = [value for value, _ in clips if not math.isnan(value)]
    if values:
        return ScoreCell(_PERCENT * math.fsum(values) / len(values), None)
    return ScoreCell(None, "; ".join(dict.fromkeys(reason for _, reason in clips if reason)) or "not scored")
