"""Entries of VBench's result files: whose video an entry is about, and its score, in every member of the family."""

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from probekit.errors import UserError
from probekit.evaluation.scorer import Score
from probekit.evaluation.vbench.official.records import score_of
from probekit.suites.dimension_constants import VBENCH

_RELATIVES: Final[Mapping[str, tuple[str, ...]]] = {
    "VBench-I2V": ("i2v_subject", "i2v_background", "camera_motion"),
    "VBench-2.0": (
        "camera_motion", "complex_landscape", "complex_plot", "composition", "diversity", "dynamic_attribute",
        "dynamic_spatial_relationship", "human_anatomy", "human_clothes", "human_identity", "human_interaction",
        "instance_preservation", "material", "mechanics", "motion_order_understanding", "motion_rationality",
        "multi_view_consistency", "thermotics",
    ),
    "VBench-Trustworthiness": ("culture_fairness", "gender_bias", "skin_bias", "safety"),
}  # fmt: skip
"""Dimensions that only relatives of VBench have."""

RELATIVES: Final[Mapping[str, str]] = MappingProxyType(
    {dimension: member for member, dimensions in _RELATIVES.items() for dimension in dimensions}
)

_CLIP: Final = re.compile(r"(?P<video>.+?)(?:-Scene-(?P<scene>\d{1,4}))?_(?P<clip>\d{3,6}|full)")
_VIDEO: Final = re.compile(r"(?P<prompt>.+)-(?P<sample>\d{1,9})")
_CLIPS_OF_A_SCENE: Final = 1_000_000


class NamedClip(NamedTuple):
    """What the path of an entry says.

    Attributes:
        prompt: text of the prompt.
        sample: index of the video among those of the prompt.
        clip: index of the clip in the video, in order; None for a whole video.
    """

    prompt: str
    sample: int
    clip: int | None


def dimension_called(name: str) -> str:
    """A dimension as score tables spell it: VBench's own scripts write capitals, spaces and hyphens too."""
    return re.sub(r"[\s-]+", "_", name.strip()).lower()


@lru_cache(maxsize=8192)  # a video stands in the results of several dimensions
def clip_of(path: str) -> NamedClip:
    """Read the name of a video, ``<prompt>-<i>.mp4``, or of a clip that VBench-Long cut, ``<prompt>-<i>_000.mp4``.

    Args:
        path: path in the file, of any system.

    Raises:
        UserError: The name is neither.
    """
    name = re.split(r"[\\/]", path)[-1]
    stem = name.rpartition(".")[0]
    clip = _CLIP.fullmatch(stem)
    video = _VIDEO.fullmatch(clip["video"] if clip else stem)
    if clip and video is None and clip["scene"] is not None:  # VBench-Long's own prompts: one video each
        return NamedClip(clip["video"], 0, _number_of(clip))
    if video is None:
        raise UserError(f"{name!r} is not named <prompt>-<i>.mp4.", "Name the videos in the file as VBench does.")
    return NamedClip(video["prompt"], int(video["sample"]), _number_of(clip) if clip else None)


def _number_of(clip: re.Match[str]) -> int:
    number = 0 if clip["clip"] == "full" else int(clip["clip"])
    return int(clip["scene"] or 0) * _CLIPS_OF_A_SCENE + number


def path_of(entry: Any) -> str:
    """The path of an entry.

    Raises:
        UserError: The entry is no object, or has no path.
    """
    if not isinstance(entry, dict):
        raise UserError(f"it is {_kind(entry)}, not an object with video_path and video_results.", _REWRITE)
    path = entry.get("video_path")
    if not isinstance(path, str) or not path:
        raise UserError("it has no video_path.", "Add the path, or remove the entry.")
    return path


_REWRITE: Final = "Write one object for each video."


def entry_score(dimension: str, entry: Mapping[str, Any]) -> Score:
    """The score in an entry; null where VBench wrote NaN or null.

    Args:
        dimension: one of the sixteen.
        entry: the entry.

    Raises:
        UserError: As `score_of`, or the entry has no score at all.
    """
    if "video_results" not in entry:
        raise UserError("it has no video_results.", "Add the score, or remove the entry.")
    value = entry["video_results"]
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return Score(None, reason=f"VBench wrote {'null' if value is None else 'NaN'}")
    counts = VBENCH[dimension].counts
    if counts is not None and entry.get(counts[1]) == 0:
        return Score(None, reason=f"{counts[1]} is 0")
    return score_of(dimension, entry)


def _kind(value: object) -> str:
    return {list: "a list", str: "a text", type(None): "null"}.get(type(value), "a number")
