"""Everything that the long-horizon diagnostics say of one video."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.evaluation.long_horizon.curves import WINDOW_SECONDS, FirstLast, first_last, per_second
from probekit.evaluation.long_horizon.detectors import Detection, detect_all
from probekit.evaluation.long_horizon.distances import (
    GapSimilarity,
    gap_frames,
    pixel_similarity_by_gap,
    similarity_by_gap,
)
from probekit.evaluation.long_horizon.frame_statistics import FrameStatistics
from probekit.geometry import CHUNK_FRAMES


class DiagnosisSettings(NamedTuple):
    """What the diagnostics need to know.

    Attributes:
        chunk_frames: latent frames that the generator made together.
        window: seconds of the first-versus-last comparison.
    """

    chunk_frames: int = CHUNK_FRAMES
    window: float = WINDOW_SECONDS


class VideoDiagnosis(NamedTuple):
    """The diagnostics of one video.

    Attributes:
        label: the model, or what stands for it in the tables.
        prompt_id: identifier of its prompt.
        sample: index among the prompt's videos.
        seconds: mean of each second, by quantity.
        changes: first and last seconds, by quantity; None where the video is too short.
        similarity: similarity by gap, of pixels, or of features where they were given.
        detections: one a detector.
    """

    label: str
    prompt_id: str
    sample: int
    seconds: Mapping[str, NDArray[np.float64]]
    changes: Mapping[str, FirstLast | None]
    similarity: tuple[GapSimilarity, ...]
    detections: tuple[Detection, ...]


def diagnose(
    label: str,
    prompt_id: str,
    sample: int,
    statistics: FrameStatistics,
    *,
    settings: DiagnosisSettings | None = None,
    features: NDArray[np.floating] | None = None,
    more: Sequence[Detection] = (),
) -> VideoDiagnosis:
    """Diagnose a video from its statistics.

    Args:
        label: what stands for the model in the tables.
        prompt_id: identifier of its prompt.
        sample: index among the prompt's videos.
        statistics: statistics of all its frames.
        settings: chunk length and window.
        features: (T, D), one vector per frame by any encoder; the similarity by gap is theirs, else that of pixels.
        more: what detectors said that read more than these statistics.

    Raises:
        UserError: if there is not one vector per frame, or one is zero or not finite.
    """
    chosen = settings or DiagnosisSettings()
    fps, curves = statistics.fps, statistics.curves
    return VideoDiagnosis(
        label,
        prompt_id,
        sample,
        {name: per_second(curve, fps) for name, curve in curves.items()},
        {name: first_last(curve, fps, chosen.window) for name, curve in curves.items()},
        tuple(_similarity(statistics, features)),
        (*detect_all(statistics, chosen.chunk_frames), *more),
    )


def _similarity(statistics: FrameStatistics, features: NDArray[np.floating] | None) -> list[GapSimilarity]:
    gaps = gap_frames(len(statistics.blocks), statistics.fps)
    if features is None:
        return pixel_similarity_by_gap(statistics.blocks, gaps, statistics.fps)
    if features.ndim != 2 or len(features) != len(statistics.blocks):
        raise UserError(
            f"Features of shape {features.shape} do not fit a video of {len(statistics.blocks)} frames.",
            "Give one vector per frame, (T, D).",
        )
    return similarity_by_gap(features, gaps, statistics.fps)
