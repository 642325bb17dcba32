"""How unlike the frames of a video are, pair by pair, and how likeness falls with the gap in time."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.evaluation.vbench.slow_fast import unit_vectors

Floats = NDArray[np.float64]

_GROWTH: Final = 1.5


class GapSimilarity(NamedTuple):
    """Mean similarity of frames that are `seconds` apart.

    Attributes:
        seconds: the gap.
        cosine: mean cosine of their features, each frame's own mean removed where they are pixels.
        ssim: mean structural similarity of their block means; None where only features were given.
        pairs: frame pairs behind the means.
    """

    seconds: float
    cosine: float
    ssim: float | None
    pairs: int


def block_distances(blocks: NDArray[np.floating]) -> Floats:
    """Root mean square difference (T, T) of block means (T, h, w, 3) between every two frames, in grey levels."""
    flat = blocks.reshape(len(blocks), -1).astype(np.float64)
    flat = flat - flat.mean(axis=0)  # the still part of the picture would cost digits
    squares = np.square(flat).sum(axis=1)
    squared = squares[:, None] + squares[None] - 2.0 * flat @ flat.T
    distances: Floats = np.sqrt(squared.clip(0.0) / flat.shape[1])
    np.fill_diagonal(distances, 0.0)
    return distances


def pixel_features(blocks: NDArray[np.float32]) -> Floats:
    """Block means (T, h, w, 3) as vectors (T, D) whose cosine is their correlation: brightness alone plays no part."""
    flat = blocks.reshape(len(blocks), -1).astype(np.float64)
    centred: Floats = flat - flat.mean(axis=1, keepdims=True)
    return centred


def gap_frames(n_frames: int, fps: float) -> list[int]:
    """Gaps in frames: 1, then growing by half, up to 80 % of the video, so that each has pairs to average."""
    gaps: list[int] = []
    gap = 1.0
    while round(gap) <= 0.8 * n_frames:
        gaps.append(round(gap))
        gap = max(gap * _GROWTH, gap + 1.0) if gap < fps else gap + fps
    return gaps


def similarity_by_gap(features: NDArray[np.floating], gaps: Sequence[int], fps: float) -> list[GapSimilarity]:
    """Mean cosine of features (T, D) at each gap of whole frames.

    Raises:
        UserError: a frame's features are zero or not finite.
        ValueError: a gap is not in 1..T-1.
    """
    unit = unit_vectors(features)
    _check_gaps(gaps, len(unit))
    return [
        GapSimilarity(gap / fps, float((unit[gap:] * unit[:-gap]).sum(axis=1).mean()), None, len(unit) - gap)
        for gap in gaps
    ]


def pixel_similarity_by_gap(
    blocks: NDArray[np.float32], gaps: Sequence[int], fps: float, *, ssim_pairs: int = 24
) -> list[GapSimilarity]:
    """Correlation and structural similarity (Wang et al. 2004) of block means at each gap.

    Args:
        blocks: (T, h, w, 3), 0..255.
        gaps: gaps in frames.
        fps: frames per second.
        ssim_pairs: evenly spaced pairs of each gap that SSIM, which is slow, averages over.
    """
    _check_gaps(gaps, len(blocks))
    window = min(7, *blocks.shape[1:3])
    window -= 1 - window % 2
    flat = pixel_features(blocks)
    length = np.linalg.norm(flat, axis=1)
    found = []
    for gap in gaps:
        starts = np.unique(np.linspace(0, len(blocks) - gap - 1, ssim_pairs).round().astype(int))
        values = [_ssim(blocks[t], blocks[t + gap], window) for t in starts]
        # A frame of one grey has no correlation; it is as like as its neighbour is flat too.
        products = (flat[gap:] * flat[:-gap]).sum(axis=1)
        norms = length[gap:] * length[:-gap]
        flat_pairs = (length[gap:] == 0) & (length[:-gap] == 0)
        cosine = np.divide(products, norms, out=flat_pairs.astype(np.float64), where=norms > 0)
        found.append(GapSimilarity(gap / fps, float(cosine.mean()), float(np.mean(values)), len(cosine)))
    return found


def _ssim(a: NDArray[np.float32], b: NDArray[np.float32], window: int) -> float:
    from skimage import metrics

    similarity: Callable[..., Any] = metrics.structural_similarity
    return float(similarity(a, b, win_size=window, channel_axis=-1, data_range=255.0))


def _check_gaps(gaps: Sequence[int], n_frames: int) -> None:
    if any(not 0 < gap < n_frames for gap in gaps):
        raise ValueError(f"gaps must be in 1..{n_frames - 1}, not {list(gaps)}")
