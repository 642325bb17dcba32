"""Which frames a dimension looks at. Torch-free."""

from collections.abc import Sequence
from itertools import pairwise
from math import floor

import numpy as np

VICLIP_FRAMES = 8
"""Frames of a video that ViCLIP sees (vbench/overall_consistency.py, temporal_style.py)."""
UMT_FRAMES = 16
"""Frames of a video that UMT sees (vbench/human_action.py)."""

_DYNAMIC_FPS = 8
_FRAMES_OF_A_CLIP = 16.0
_MOVING_PAIRS_OF_A_CLIP = 4
_THRESHOLD, _THRESHOLD_SIDE = 6.0, 256.0


def middle_indices(n_frames: int, count: int) -> list[int]:
    """Middles of `count` equal intervals of a video (vbench/utils.py, `get_frame_indices`, "middle").

    A video shorter than `count` gives all its frames and then its last one again.
    """
    edges = np.linspace(0, n_frames, min(count, n_frames) + 1).astype(int).tolist()
    middles = [(start + end - 1) // 2 for start, end in pairwise(edges)]
    return middles + middles[-1:] * (count - len(middles))


def rounded(value: float, half_to_even: bool) -> int:
    """The nearest integer; a half goes to the even one or up."""
    return round(value) if half_to_even else floor(value + 0.5)


def dynamic_indices(n_frames: int, fps: float, half_to_even: bool) -> Sequence[int]:
    """Every frame that the dynamic degree samples: about eight per second (vbench/dynamic_degree.py, `get_frames`)."""
    return range(0, n_frames, max(1, rounded(fps / _DYNAMIC_FPS, half_to_even)))


def moving_pairs_needed(n_sampled: int, half_to_even: bool) -> int:
    """Pairs that must move for a video to be dynamic: a quarter of the sampled frames (`set_params`)."""
    return rounded(_MOVING_PAIRS_OF_A_CLIP * (n_sampled / _FRAMES_OF_A_CLIP), half_to_even)


def motion_threshold(height: int, width: int) -> float:
    """Pixels a frame must move to count: 6 at a short side of 256 (`set_params`)."""
    return _THRESHOLD * (min(height, width) / _THRESHOLD_SIDE)
