"""VBench-Long's slow-fast consistency: within clips, and from clip to clip (vbench2_beta_long/utils.py, fuse).

    in-clip       = mean over clips of consistency(features of the clip's frames)
    clip-to-clip  = consistency(features of the first frame of every clip)
    fused         = w_inclip * in-clip + w_clip2clip * mapped(clip-to-clip)

Clip-to-clip similarities are lower than in-clip ones, so the official code maps them to the in-clip scale by a table of
101 knots. That table is in VBench's repository and not in its package, and it is not copied here: it is read from a
file or passed in. Without it only the official default weights (1, 0), plain in-clip, can be computed.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.evaluation.clips import Span
from probekit.user_files.yaml_files import read_yaml

Features = NDArray[np.floating]
"""One vector per frame, (T, D)."""


class SlowFastScore(NamedTuple):
    """Slow-fast consistency of one video.

    Attributes:
        inclip: mean over clips, in [0, 1].
        clip2clip: score of the first frames; None for a video of one clip.
        mapped: clip2clip on the in-clip scale; None without a table or without clip2clip.
        fused: the score.
    """

    inclip: float
    clip2clip: float | None
    mapped: float | None
    fused: float


class MappingTable(NamedTuple):
    """Piecewise linear map from clip-to-clip to in-clip scores; constant beyond its first and last knot.

    Attributes:
        knots: clip-to-clip scores, rising.
        values: in-clip scores at the knots.
    """

    knots: NDArray[np.float64]
    values: NDArray[np.float64]

    @classmethod
    def of(cls, knots: Mapping[float, float], source: str = "The mapping table") -> Self:
        """Make a table from its knots.

        Raises:
            UserError: if there are fewer than two knots, or one is not finite.
        """
        pairs = np.array(sorted(knots.items()), dtype=np.float64)
        if len(pairs) < 2 or not np.isfinite(pairs).all():
            raise UserError(f"{source} does not map two or more finite scores to finite scores.", "Check the file.")
        return cls(pairs[:, 0], pairs[:, 1])

    def at(self, score: float) -> float:
        """The mapped score."""
        return float(np.interp(score, self.knots, self.values))


def read_mapping_table(path: Path) -> MappingTable:
    """Read a YAML file of ``clip-to-clip score: in-clip score`` lines, such as VBench's subject_mapping_table.yaml.

    Raises:
        UserError: if there is no such file, or it is not such a table.
    """
    content = read_yaml(
        path, what="mapping table", fix="Take it from vbench2_beta_long/configs of VBench's repository."
    )
    numbers = isinstance(content, dict) and all(isinstance(n, int | float) for pair in content.items() for n in pair)
    if not numbers:
        raise UserError(f"{path} does not map numbers to numbers.", "Check the file.")
    return MappingTable.of(content, str(path))


def consistency(features: Features) -> float:
    """VBench's consistency: mean over frames i >= 1 of [max(0, cos(i-1, i)) + max(0, cos(0, i))] / 2.

    Args:
        features: (T, D), T >= 2; they need not be normalised.

    Raises:
        UserError: a single frame, or a vector that is zero or not finite.
    """
    if features.ndim != 2 or len(features) < 2:
        raise UserError(f"Features of shape {features.shape} have no consistency.", "Give (T, D) with T >= 2.")
    unit = unit_vectors(features)
    former = (unit[1:] * unit[:-1]).sum(axis=1)
    first = unit[1:] @ unit[0]
    return float((former.clip(0.0) + first.clip(0.0)).mean() / 2.0)


def unit_vectors(features: Features) -> NDArray[np.float64]:
    """Rows of length 1, in float64.

    Raises:
        UserError: a row is zero or not finite.
    """
    vectors = features.astype(np.float64)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    bad = np.flatnonzero(~(np.isfinite(length) & (length > 0))[:, 0])
    if bad.size:
        raise UserError(f"The features of frame {bad[0]} are zero or not finite.", "Check the encoder's weights.")
    unit: NDArray[np.float64] = vectors / length
    return unit


def slow_fast(
    clips: Sequence[Features],
    first_frames: Features,
    table: MappingTable | None = None,
    *,
    w_inclip: float = 1.0,
    w_clip2clip: float = 0.0,
) -> SlowFastScore:
    """Fuse in-clip and clip-to-clip consistency of one video.

    Args:
        clips: features of the frames of each clip.
        first_frames: features of the first frame of each clip, (clips, D'); the official code takes them by another
            encoder (DINOv2 for the subject, DreamSim for the background).
        table: the official map; needed unless `w_clip2clip` is 0.
        w_inclip: official default 1, with `--dev_flag` 0.5.
        w_clip2clip: official default 0, with `--dev_flag` 0.5.

    A video of one clip has its in-clip score alone. So has one whose mapped score is exactly 0, as in the official
    code, whose tables begin there.

    Raises:
        UserError: if the table is missing, or there is not one first frame per clip.
    """
    if not clips or len(first_frames) != len(clips):
        raise UserError(f"{len(clips)} clips have {len(first_frames)} first frames.", "Give one for each clip.")
    inclip = float(np.mean([consistency(clip) for clip in clips]))
    if len(clips) == 1:
        return SlowFastScore(inclip, None, None, inclip)
    clip2clip = consistency(first_frames)
    if table is None:
        if w_clip2clip != 0.0:
            raise UserError(
                "Slow-fast fusion needs VBench-Long's mapping table, which its package does not contain.",
                "Give subject_mapping_table.yaml or background_mapping_table.yaml of VBench's repository, "
                "or the weights 1 and 0.",
            )
        return SlowFastScore(inclip, clip2clip, None, w_inclip * inclip)
    mapped = table.at(clip2clip)
    fused = w_inclip * inclip + w_clip2clip * mapped if mapped != 0.0 else inclip
    return SlowFastScore(inclip, clip2clip, mapped, fused)


def slow_fast_video(
    features: Features,
    spans: Sequence[Span],
    first_frames: Features | None = None,
    table: MappingTable | None = None,
    *,
    w_inclip: float = 1.0,
    w_clip2clip: float = 0.0,
) -> SlowFastScore:
    """Slow-fast score of a video from the features of all its frames.

    Args:
        features: (T, D), frame by frame.
        spans: its clips, from `clip_spans`.
        first_frames: (clips, D') of the clips' first frames by another encoder; by default those of `features`.
        table: see `slow_fast`.
        w_inclip: see `slow_fast`.
        w_clip2clip: see `slow_fast`.

    Raises:
        UserError: if a clip lies beyond the features, or as `slow_fast`.
    """
    if spans[-1].stop != len(features):
        raise UserError(
            f"The clips end at frame {spans[-1].stop}, the features at {len(features)}.", "Give one vector per frame."
        )
    starts = [span.start for span in spans]
    return slow_fast(
        [features[span.start : span.stop] for span in spans],
        features[starts] if first_frames is None else first_frames,
        table,
        w_inclip=w_inclip,
        w_clip2clip=w_clip2clip,
    )
