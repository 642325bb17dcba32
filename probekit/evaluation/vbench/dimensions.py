"""What each dimension of the official package needs, and what its numbers mean. Facts of vbench 0.1.5."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

VBENCH_VERSION: Final = "0.1.5"

ROUNDING: Final = 1e-6
"""By how much float32 cosines, and means of them, may exceed 1."""

OPERATORS: Final = "torchvision's compiled operators"

Place = Literal["here", "own"]
Pooling = Literal["frames", "videos"]


class OfficialDimension(NamedTuple):
    """One of the sixteen.

    Attributes:
        name: of the dimension and of the module `vbench.<name>`.
        place: "here" if the module runs beside today's libraries, "own" if it needs an environment of its own.
        packages: what it imports beyond torch, torchvision, NumPy and VBench itself, by import name.
        needs_operators: whether it calls torchvision's compiled operators.
        needs_auxiliary: whether it looks for what VBench's list states, so that it can score no other prompts.
        pooling: what the score of a dimension is the mean of on one GPU: all frames, or all videos.
        min_frames: a video with fewer says nothing; the official code divides by zero or fails there.
        unit: of `range`.
        range: what the formula can give a video; imaging quality divided by 100, as in the score of the dimension.
    """

    name: str
    place: Place
    packages: tuple[str, ...]
    needs_operators: bool
    needs_auxiliary: bool
    pooling: Pooling
    min_frames: int
    unit: str
    range: tuple[float, float]


_FRACTION: Final = (0.0, 1.0)
_SIMILARITY: Final = (0.0, 1.0 + ROUNDING)
_COSINE: Final = (-1.0 - ROUNDING, 1.0 + ROUNDING)
_REGRESSION: Final = (-math.inf, math.inf)
"""Linear layers end these networks, so nothing bounds them; published videos lie between 0 and 1."""

_DECORD: Final = ("decord",)
_CLIP: Final = ("decord", "clip", "ftfy", "pkg_resources")
_GRIT: Final = ("decord", "detectron2", "transformers", "timm")


def _grit(name: str, pooling: Pooling) -> OfficialDimension:
    return OfficialDimension(name, "own", _GRIT, True, True, pooling, 1, "fraction", _FRACTION)


def _here(
    name: str,
    packages: tuple[str, ...],
    unit: str,
    bounds: tuple[float, float],
    *,
    pooling: Pooling = "videos",
    min_frames: int = 1,
    needs_auxiliary: bool = False,
) -> OfficialDimension:
    return OfficialDimension(name, "here", packages, False, needs_auxiliary, pooling, min_frames, unit, bounds)


_ALL: Final = (
    _here("subject_consistency", _DECORD, "fraction", _SIMILARITY, pooling="frames", min_frames=2),
    _here("background_consistency", _CLIP, "fraction", _SIMILARITY, pooling="frames", min_frames=2),
    _here("temporal_flickering", ("cv2", "decord"), "fraction", _FRACTION, min_frames=2),
    _here("motion_smoothness", ("cv2", "decord", "omegaconf"), "fraction", _FRACTION, min_frames=3),
    _here("dynamic_degree", ("cv2", "decord", "easydict"), "fraction", _FRACTION),
    _here("aesthetic_quality", _CLIP, "score", _REGRESSION),
    _here("imaging_quality", ("decord", "pyiqa"), "score", _REGRESSION),
    _grit("object_class", "frames"),
    _grit("multiple_objects", "frames"),
    _here("human_action", (*_CLIP, "timm", "cv2"), "fraction", _FRACTION),
    _grit("color", "videos"),
    _grit("spatial_relationship", "frames"),
    OfficialDimension(
        "scene", "own", ("decord", "transformers", "timm"), False, True, "frames", 1, "fraction", _FRACTION
    ),
    _here("appearance_style", _CLIP, "cosine", _COSINE, pooling="frames", needs_auxiliary=True),
    _here("temporal_style", _CLIP, "cosine", _COSINE),
    _here("overall_consistency", _CLIP, "cosine", _COSINE),
)

OFFICIAL_DIMENSIONS: Final[Mapping[str, OfficialDimension]] = MappingProxyType({each.name: each for each in _ALL})
"""The sixteen by name, in the order of VBench's leaderboard."""

GRIT_DIMENSIONS: Final = tuple(each.name for each in _ALL if each.packages == _GRIT)
