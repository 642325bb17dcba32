"""Normalisation ranges, groups and weights of the dimensions that enter Quality, Semantic and Total.

VBench's numbers are those of its leaderboard script, `scripts/constant.py` of the VBench repository (`NORMALIZE_DIC`,
`DIM_WEIGHT`, `QUALITY_LIST`, `SEMANTIC_LIST`, `QUALITY_WEIGHT`, `SEMANTIC_WEIGHT`); the VBench paper is Huang et al.,
CVPR 2024, arXiv 2311.17982. VBench spells dimensions with spaces there; here they carry the underscores of its file
names, as score tables do.

The sprite suite keeps VBench's shape (groups, weight 0.5 of the dynamic degree, Total = (4 Quality + Semantic) / 5) but
not its ranges: VBench's lows and highs are extremes over real-world videos and say nothing about a 32x32 world. Every
sprite dimension is already a fraction of its own best value, so the range is [0, 1] throughout, fixed before any model
was scored. The price is stated here because it shows in tables: dimensions in which every working model is near 1
(temporal flickering, background consistency) move SpriteQuality less than their VBench namesakes move Quality.

Beside the range stand two facts of each formula: the raw values that it can produce at all, and what VBench's official
score is the mean of on one GPU (`vbench/<dimension>.py`): all frames of all videos, or all videos.
"""

from typing import Literal, NamedTuple

Group = Literal["quality", "semantic"]
Pooling = Literal["frames", "videos"]

QUALITY_WEIGHT = 4.0
"""Weight of Quality in Total; VBench scripts/constant.py, QUALITY_WEIGHT."""
SEMANTIC_WEIGHT = 1.0
"""Weight of Semantic in Total; VBench scripts/constant.py, SEMANTIC_WEIGHT."""


class DimensionConstant(NamedTuple):
    """How one raw dimension score enters its group's score.

    Attributes:
        dimension: Name as in the score table's `dimension` column.
        group: The group score it belongs to.
        low: Raw value that normalises to 0.
        high: Raw value that normalises to 1 (> low). Not a bound: raw values outside [low, high] are legal.
        weight: Weight in the group's weighted mean (> 0).
        source: Where low, high and weight come from.
        floor: Smallest raw value that the formula can produce; None where nothing bounds it.
        ceiling: Largest raw value that the formula can produce.
        pooling: What the official score of the dimension is the mean of.
    """

    dimension: str
    group: Group
    low: float
    high: float
    weight: float
    source: str
    floor: float | None = None
    ceiling: float | None = None
    pooling: Pooling = "videos"


_VBENCH = "VBench scripts/constant.py (NORMALIZE_DIC, DIM_WEIGHT)"
_SPRITE = "sprite suite: every raw score is a fraction of its best value; weights as VBench's"

# The last three columns: floor, ceiling, pooling. Linear layers end the networks of aesthetic and imaging quality, so
# nothing bounds them; cosines of text and video may be negative, those of frames are cut off at 0 by the official code.
VBENCH_CONSTANTS: tuple[DimensionConstant, ...] = (
    DimensionConstant("subject_consistency", "quality", 0.1462, 1.0, 1.0, _VBENCH, 0.0, 1.0, "frames"),
    DimensionConstant("background_consistency", "quality", 0.2615, 1.0, 1.0, _VBENCH, 0.0, 1.0, "frames"),
    DimensionConstant("temporal_flickering", "quality", 0.6293, 1.0, 1.0, _VBENCH, 0.0, 1.0, "videos"),
    DimensionConstant("motion_smoothness", "quality", 0.706, 0.9975, 1.0, _VBENCH, 0.0, 1.0, "videos"),
    DimensionConstant("dynamic_degree", "quality", 0.0, 1.0, 0.5, _VBENCH, 0.0, 1.0, "videos"),
    DimensionConstant("aesthetic_quality", "quality", 0.0, 1.0, 1.0, _VBENCH, None, None, "videos"),
    DimensionConstant("imaging_quality", "quality", 0.0, 1.0, 1.0, _VBENCH, None, None, "videos"),
    DimensionConstant("object_class", "semantic", 0.0, 1.0, 1.0, _VBENCH, 0.0, 1.0, "frames"),
    DimensionConstant("multiple_objects", "semantic", 0.0, 1.0, 1.0, _VBENCH, 0.0, 1.0, "frames"),
    DimensionConstant("human_action", "semantic", 0.0, 1.0, 1.0, _VBENCH, 0.0, 1.0, "videos"),
    DimensionConstant("color", "semantic", 0.0, 1.0, 1.0, _VBENCH, 0.0, 1.0, "videos"),
    DimensionConstant("spatial_relationship", "semantic", 0.0, 1.0, 1.0, _VBENCH, 0.0, 1.0, "frames"),
    DimensionConstant("scene", "semantic", 0.0, 0.8222, 1.0, _VBENCH, 0.0, 1.0, "frames"),
    DimensionConstant("appearance_style", "semantic", 0.0009, 0.2855, 1.0, _VBENCH, -1.0, 1.0, "frames"),
    DimensionConstant("temporal_style", "semantic", 0.0, 0.364, 1.0, _VBENCH, -1.0, 1.0, "videos"),
    DimensionConstant("overall_consistency", "semantic", 0.0, 0.364, 1.0, _VBENCH, -1.0, 1.0, "videos"),
)
"""VBench's 16 dimensions in the order of its leaderboard (TASK_INFO)."""

SPRITE_CONSTANTS: tuple[DimensionConstant, ...] = (
    DimensionConstant("subject_consistency", "quality", 0.0, 1.0, 1.0, _SPRITE, 0.0, 1.0, "frames"),
    DimensionConstant("background_consistency", "quality", 0.0, 1.0, 1.0, _SPRITE, 0.0, 1.0, "frames"),
    DimensionConstant("temporal_flickering", "quality", 0.0, 1.0, 1.0, _SPRITE, 0.0, 1.0, "videos"),
    DimensionConstant("motion_smoothness", "quality", 0.0, 1.0, 1.0, _SPRITE, 0.0, 1.0, "videos"),
    DimensionConstant("dynamic_degree", "quality", 0.0, 1.0, 0.5, _SPRITE, 0.0, 1.0, "videos"),
    DimensionConstant("object_permanence", "quality", 0.0, 1.0, 1.0, _SPRITE, 0.0, 1.0, "videos"),
    DimensionConstant("object_class", "semantic", 0.0, 1.0, 1.0, _SPRITE, 0.0, 1.0, "frames"),
    DimensionConstant("color", "semantic", 0.0, 1.0, 1.0, _SPRITE, 0.0, 1.0, "videos"),
    DimensionConstant("multiple_objects", "semantic", 0.0, 1.0, 1.0, _SPRITE, 0.0, 1.0, "frames"),
    DimensionConstant("overall_consistency", "semantic", 0.0, 1.0, 1.0, _SPRITE, 0.0, 1.0, "videos"),
)
"""The sprite suite's 10 dimensions: SpriteQuality (6) and SpriteSemantic (4)."""
