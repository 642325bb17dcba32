"""Temporal flickering, VBench's weight-free dimension (Huang et al., CVPR 2024; vbench/temporal_flickering.py)."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from probekit.evaluation.scorer import Score, ScoringInput, WeightFreeScorer
from probekit.suites.dimension_constants import FLICKERING


def temporal_flickering(video: ScoringInput) -> Score:
    """(255 - mean_i mean|f_i - f_{i+1}|) / 255 over all neighbouring frames, of any size; 1 for a frozen video.

    Differences are summed as integers, so the result is exact where the official float32 means are rounded; the two
    agree to 1e-8. The order of the colour channels plays no part. Null for a single frame.
    """
    frames = video.frames
    if len(frames) < 2:
        return Score(None, reason="a single frame has no neighbour")
    total = sum(_absolute_difference(a, b) for a, b in pairwise(frames))
    mean = total / ((len(frames) - 1) * frames[0].size)
    return Score((255.0 - mean) / 255.0)


def _absolute_difference(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> int:
    # Largest minus smallest stays within uint8, which is several times faster than a signed difference.
    return int((np.maximum(a, b) - np.minimum(a, b)).sum(dtype=np.int64))


TEMPORAL_FLICKERING = WeightFreeScorer(FLICKERING, "rgb.1", frozenset({"frames"}), temporal_flickering)
