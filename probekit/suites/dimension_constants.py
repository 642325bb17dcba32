"""The dimensions that enter Quality, Semantic and Total: one row of `VBENCH` for each, and the sprite suite's.

VBench's numbers are those of its leaderboard script, `scripts/constant.py` of the VBench repository (`NORMALIZE_DIC`,
`DIM_WEIGHT`, `QUALITY_LIST`, `SEMANTIC_LIST`, `QUALITY_WEIGHT`, `SEMANTIC_WEIGHT`); the VBench paper is Huang et al.,
CVPR 2024, arXiv 2311.17982. VBench spells dimensions with spaces there; here they carry the underscores of its file
names, as score tables do.

The sprite suite keeps VBench's shape (groups, weight 0.5 of the dynamic degree, Total = (4 Quality + Semantic) / 5) but
not its ranges: VBench's lows and highs are extremes over real-world videos and say nothing about a 32x32 world. Every
sprite dimension is already a fraction of its own best value, so the range is [0, 1] throughout, fixed before any model
was scored. The price is stated here because it shows in tables: dimensions in which every working model is near 1
(temporal flickering, background consistency) move SpriteQuality less than their VBench namesakes move Quality.

A row also holds two facts of the formula: the raw values that it can produce at all, and what VBench's official score
is the mean of on one GPU (`vbench/<dimension>.py`): all frames of all videos, or all videos. Whatever else the library
knows of a dimension of VBench by name (weights, packages, entries of result files) is in its row too. Torch-free.
"""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

Group = Literal["quality", "semantic", "single"]
"""Scores that dimensions enter; a "single" one enters none."""
Pooling = Literal["frames", "videos"]
Place = Literal["here", "own"]

VBENCH_VERSION: Final = "0.1.5"
"""Version of the package whose facts these are."""

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


class VBenchDimension(NamedTuple):
    """All that the library knows of one dimension of VBench: its score, its network, its entries in result files.

    Attributes:
        name: name as in the score table, and of the module `vbench.<name>`.
        group, low, high, weight, floor, ceiling, pooling: fields of `DimensionConstant`.
        unit: unit of the raw score: "fraction" of a best value, "cosine", or "score" of an unbounded regression.
        weights: names of its weight files, see `evaluation.vbench.weights`.
        place: "here" if the official module runs beside today's libraries, "own" if it needs its own environment.
        packages: import names of what that module needs beyond torch, torchvision, NumPy and VBench itself.
        operators: whether it calls torchvision's compiled operators.
        auxiliary: whether it looks for what VBench's list states, so that it can score no other prompts.
        min_frames: fewest frames that it can score; the official code divides by zero or fails on fewer.
        event: whether a video's score is yes or no.
        counts: names of numerator and denominator in an entry of its result file.
        frame_list: whether an entry lists the scores of single frames.
        mapping_table: name of VBench-Long's table for slow-fast fusion, in vbench2_beta_long/configs.
    """

    name: str
    group: Group
    low: float
    high: float
    weight: float = 1.0
    floor: float | None = 0.0
    ceiling: float | None = 1.0
    pooling: Pooling = "videos"
    unit: str = "fraction"
    weights: tuple[str, ...] = ()
    place: Place = "here"
    packages: tuple[str, ...] = ()
    operators: bool = False
    auxiliary: bool = False
    min_frames: int = 1
    event: bool = False
    counts: tuple[str, str] | None = None
    frame_list: bool = False
    mapping_table: str | None = None

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest raw score of a video; infinite where nothing bounds the formula."""
        return (
            -math.inf if self.floor is None else self.floor,
            math.inf if self.ceiling is None else self.ceiling,
        )


FLICKERING: Final = "temporal_flickering"
"""The one dimension of VBench that needs no weights."""

_CLIP: Final = ("decord", "clip", "ftfy", "pkg_resources")
_GRIT: Final = ("decord", "detectron2", "transformers", "timm")
_VICLIP: Final = ("ViCLIP-L/14", "CLIP vocabulary")
_FRAMES: Final = ("success_frame_count", "frame_count")


def _score(name: str, weights: tuple[str, ...], packages: tuple[str, ...]) -> VBenchDimension:
    """A regression: linear layers end these networks, so nothing bounds them; published videos lie in 0 to 1."""
    return VBenchDimension(
        name, "quality", 0.0, 1.0, floor=None, ceiling=None, unit="score", weights=weights, packages=packages
    )


def _grit(
    name: str, pooling: Pooling, *, counts: tuple[str, str] | None = None, frame_list: bool = False
) -> VBenchDimension:
    return VBenchDimension(
        name, "semantic", 0.0, 1.0, pooling=pooling, weights=("GRiT-B",), place="own", packages=_GRIT,
        operators=True, auxiliary=True, counts=counts, frame_list=frame_list,
    )  # fmt: skip


def _video_text(name: str) -> VBenchDimension:
    return VBenchDimension(name, "semantic", 0.0, 0.364, floor=-1.0, unit="cosine", weights=_VICLIP, packages=_CLIP)


# Cosines of text and video may be negative; those of frames are cut off at 0 by the official code.
_ROWS: Final = (
    VBenchDimension(
        "subject_consistency", "quality", 0.1462, 1.0, pooling="frames", weights=("DINO ViT-B/16",),
        packages=("decord",), min_frames=2, mapping_table="subject_mapping_table.yaml",
    ),
    VBenchDimension(
        "background_consistency", "quality", 0.2615, 1.0, pooling="frames", weights=("CLIP ViT-B/32",), packages=_CLIP,
        min_frames=2, counts=("video_sim", "cnt_per_video"), mapping_table="background_mapping_table.yaml",
    ),
    VBenchDimension(FLICKERING, "quality", 0.6293, 1.0, packages=("cv2", "decord"), min_frames=2),
    VBenchDimension(
        "motion_smoothness", "quality", 0.706, 0.9975, weights=("AMT-S",), packages=("cv2", "decord", "omegaconf"),
        min_frames=3,
    ),
    VBenchDimension(
        "dynamic_degree", "quality", 0.0, 1.0, weight=0.5, weights=("RAFT (things)",),
        packages=("cv2", "decord", "easydict"), event=True,
    ),
    _score("aesthetic_quality", ("CLIP ViT-L/14", "LAION aesthetic predictor"), _CLIP),
    _score("imaging_quality", ("MUSIQ (SPAQ)",), ("decord", "pyiqa")),
    _grit("object_class", "frames", counts=_FRAMES),
    _grit("multiple_objects", "frames", counts=_FRAMES),
    VBenchDimension(
        "human_action", "semantic", 0.0, 1.0, weights=("UMT-L/16 (Kinetics-400)",), packages=(*_CLIP, "timm", "cv2"),
        event=True,
    ),
    _grit("color", "videos"),
    _grit("spatial_relationship", "frames", frame_list=True),
    VBenchDimension(
        "scene", "semantic", 0.0, 0.8222, pooling="frames", weights=("Tag2Text Swin-B",), place="own",
        packages=("decord", "transformers", "timm"), auxiliary=True, counts=_FRAMES,
    ),
    VBenchDimension(
        "appearance_style", "semantic", 0.0009, 0.2855, floor=-1.0, pooling="frames", unit="cosine",
        weights=("CLIP ViT-B/32",), packages=_CLIP, auxiliary=True, frame_list=True,
    ),
    _video_text("temporal_style"),
    _video_text("overall_consistency"),
)  # fmt: skip

VBENCH: Final[Mapping[str, VBenchDimension]] = MappingProxyType({row.name: row for row in _ROWS})
"""VBench's 16 dimensions by name, in the order of its leaderboard (TASK_INFO)."""

_VBENCH_SOURCE = "VBench scripts/constant.py (NORMALIZE_DIC, DIM_WEIGHT)"
_SPRITE = "sprite suite: every raw score is a fraction of its best value; weights as VBench's"

VBENCH_CONSTANTS: tuple[DimensionConstant, ...] = tuple(
    DimensionConstant(
        row.name, row.group, row.low, row.high, row.weight, _VBENCH_SOURCE, row.floor, row.ceiling, row.pooling
    )
    for row in VBENCH.values()
)
"""What of `VBENCH` enters the group scores."""

SPRITE_CONSTANTS: tuple[DimensionConstant, ...] = (
    DimensionConstant("subject_consistency", "quality", 0.0, 1.0, 1.0, _SPRITE, 0.0, 1.0, "frames"),
    DimensionConstant("background_consistency", "quality", 0.0, 1.0, 1.0, _SPRITE, 0.0, 1.0, "frames"),
    DimensionConstant(FLICKERING, "quality", 0.0, 1.0, 1.0, _SPRITE, 0.0, 1.0, "videos"),
    DimensionConstant("motion_smoothness", "quality", 0.0, 1.0, 1.0, _SPRITE, 0.0, 1.0, "videos"),
    DimensionConstant("dynamic_degree", "quality", 0.0, 1.0, 0.5, _SPRITE, 0.0, 1.0, "videos"),
    DimensionConstant("object_permanence", "quality", 0.0, 1.0, 1.0, _SPRITE, 0.0, 1.0, "videos"),
    DimensionConstant("object_class", "semantic", 0.0, 1.0, 1.0, _SPRITE, 0.0, 1.0, "frames"),
    DimensionConstant("color", "semantic", 0.0, 1.0, 1.0, _SPRITE, 0.0, 1.0, "videos"),
    DimensionConstant("multiple_objects", "semantic", 0.0, 1.0, 1.0, _SPRITE, 0.0, 1.0, "frames"),
    DimensionConstant("overall_consistency", "semantic", 0.0, 1.0, 1.0, _SPRITE, 0.0, 1.0, "videos"),
)
"""The sprite suite's 10 dimensions: SpriteQuality (6) and SpriteSemantic (4)."""

_NATURAL = "natural suite: no ranges are known, so nothing is normalised or added up"


def _single(name: str, floor: float | None = 0.0, ceiling: float | None = 1.0) -> DimensionConstant:
    return DimensionConstant(name, "single", 0.0, 1.0, 1.0, _NATURAL, floor, ceiling)


NATURAL_CONSTANTS: tuple[DimensionConstant, ...] = (
    _single("frame_consistency"),
    _single("first_frame_stability", None),
    _single("shot_continuity"),
    _single("match_share"),
    _single("motion", ceiling=None),
    _single("image_quality", None, None),
    _single(FLICKERING),
    _single("moving_share"),
)
"""The natural suite's dimensions. They are not VBench's, and there is no score over several of them."""
