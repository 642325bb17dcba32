"""Temporal flickering against the official numbers and the official arithmetic."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from probekit.evaluation.scorer import ScoringInput
from probekit.evaluation.vbench.temporal_flickering import TEMPORAL_FLICKERING, temporal_flickering
from probekit.media.video_files import read_video
from tests.helpers.shared_data import video_page_path


def of(frames: NDArray[np.uint8]) -> ScoringInput:
    return ScoringInput(frames, 16.0, "anything")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "official"),
    [
        ("bear-tree-base", 0.948712786506204),
        ("bear-tree-ours", 0.9538522234150008),
        ("burger-base", 0.988485621471031),
        ("burger-ours", 0.9842750100528492),
    ],
)
def test_equals_vbench_on_real_videos(name: str, official: float) -> None:
    """Values of vbench 0.1.5."""
    clip = read_video(video_page_path("videos", f"{name}.mp4"))
    assert temporal_flickering(of(clip.frames)).value == pytest.approx(official, abs=1e-8)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 6))
def test_equals_the_official_arithmetic(seed: int, length: int) -> None:
    """The float32 means of vbench/temporal_flickering.py, and a score that stays in its range."""
    frames = np.random.default_rng(seed).integers(0, 256, (length, 20, 24, 3), dtype=np.uint8)
    floats = frames.astype(np.float32)
    means = [np.mean(np.abs(a - b)) for a, b in pairwise(floats)]
    value = TEMPORAL_FLICKERING.score(of(frames)).value
    assert value == pytest.approx((255.0 - np.mean(means).item()) / 255.0, abs=1e-6)
    assert value is not None
    assert 0 <= value <= 1


def test_extremes() -> None:
    black, white = np.zeros((1, 8, 8, 3), np.uint8), np.full((1, 8, 8, 3), 255, np.uint8)
    assert temporal_flickering(of(np.concatenate([black, white, black]))).value == 0.0
    assert temporal_flickering(of(np.concatenate([white, white]))).value == 1.0


def test_a_single_frame_is_not_scored() -> None:
    score = temporal_flickering(of(np.zeros((1, 8, 8, 3), np.uint8)))
    assert score.value is None
    assert score.reason
