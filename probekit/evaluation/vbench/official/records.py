"""One video's entry in an official result file, and the score that it stands for; the two ways of a round trip."""

import math
from collections.abc import Mapping
from typing import Any, Final

from probekit.errors import UserError
from probekit.evaluation.scorer import Score
from probekit.run_folder.score_range import in_range
from probekit.suites.dimension_constants import VBENCH, VBenchDimension

PERCENT: Final = "imaging_quality"
"""Its entries run to 100 while the score of the dimension runs to 1."""

_NUMBERS: Final = (int, float)  # asked for every score: a union would be made each time

NO_COLOR: Final = "the object is in no frame, or has no colour in any"
"""Why a video has no colour; the official code leaves it out of the file."""


def score_of(dimension: str, record: Mapping[str, Any], n_frames: int | None = None) -> Score:
    """The score in an entry, imaging quality divided by 100.

    Dimensions whose score is a mean over frames get a numerator and a denominator. Subject consistency has none in its
    entries and gets them only where the number of frames is known.

    Args:
        dimension: one of the sixteen.
        record: the entry.
        n_frames: frames of the video, where known.

    Raises:
        UserError: if a number is missing, not finite, or not what the formula can give.
    """
    facts = VBENCH[dimension]
    value = _number(dimension, record, "video_results") / (100.0 if dimension == PERCENT else 1.0)
    low, high = facts.range
    if not in_range(value, low, high):
        raise UserError(
            f"{dimension} = {value} is outside {low} to {high}.", "The weights or the file are not VBench's."
        )
    numerator, denominator = _frames(facts, record, value, n_frames)
    return Score(value, numerator, denominator)


def _frames(
    facts: VBenchDimension, record: Mapping[str, Any], value: float, n_frames: int | None
) -> tuple[float, float] | tuple[None, None]:
    if facts.counts is not None and all(name in record for name in facts.counts):
        numerator, denominator = (_number(facts.name, record, name) for name in facts.counts)
        return numerator, denominator
    frames = record.get("frame_results")
    if facts.frame_list and isinstance(frames, list) and frames:
        return value * len(frames), float(len(frames))
    if facts.pooling == "frames" and facts.counts is None and not facts.frame_list and n_frames is not None:
        return value * (n_frames - 1), float(n_frames - 1)  # each frame with the one before it
    return None, None


def _number(dimension: str, record: Mapping[str, Any], name: str) -> float:
    value = record.get(name)
    if not isinstance(value, _NUMBERS) or not math.isfinite(value):
        raise UserError(
            f"{dimension}: {name} = {value!r} is no finite number.", "Correct that number, or leave the video out."
        )
    return float(value)


def record_of(dimension: str, video_path: str, score: Score) -> dict[str, Any]:
    """The entry of a score that is not null, as the official code would write it.

    Lists of single frames are not in the score table; where the official code has one, `frame_count` says how many.
    """
    assert score.value is not None
    if VBENCH[dimension].event:
        entry: dict[str, Any] = {"video_path": video_path, "video_results": bool(score.value)}
        return {**entry, "cor_num_per_video": int(score.value)} if dimension == "human_action" else entry
    scale = 100.0 if dimension == PERCENT else 1.0
    entry = {"video_path": video_path, "video_results": score.value * scale}
    if dimension == "color":
        return {**entry, "cur_success_frame_rate": score.value}
    counts = VBENCH[dimension].counts
    if counts is not None and score.denominator is not None:
        numerator, denominator = counts
        return {**entry, numerator: score.numerator, denominator: int(score.denominator)}
    return entry
