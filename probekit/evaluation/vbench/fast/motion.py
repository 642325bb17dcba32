"""The two dimensions of motion: neighbouring frames through AMT and RAFT, several pairs at once where memory allows.

Both run in float32 whatever the precision of the other networks: they look up correlations at fractions of a pixel.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.evaluation.scorer import Score
from probekit.evaluation.vbench.fast.dynamic_degree import DynamicVerdict, judge_motion
from probekit.evaluation.vbench.fast.formulas import flow_motion, smoothness
from probekit.evaluation.vbench.fast.frame_pass import as_tensor
from probekit.evaluation.vbench.fast.guard import check_features
from probekit.evaluation.vbench.fast.network_set import NetworkSet
from probekit.evaluation.vbench.fast.networks import amt, raft
from probekit.evaluation.vbench.fast.networks.raft import EncodedFrame
from probekit.evaluation.vbench.fast.sampling import dynamic_indices, motion_threshold, moving_pairs_needed
from probekit.evaluation.vbench.fast.transforms import padded
from probekit.evaluation.vbench.static_filter import Motion, fastest_motion

_FEATURE_STRIDE: Final = 8
_BYTES: Final = 4
_PYRAMID: Final = 4 / 3
_MIB: Final = 2**20

Frames = NDArray[np.uint8]


def motion_smoothness(frames: Frames, networks: NetworkSet) -> Score:
    """(255 - mean|odd frame - its interpolation from the even ones beside it|) / 255 (vbench/motion_smoothness.py).

    Args:
        frames: (T, H, W, 3). The last frame plays no part where T is even.
        networks: AMT is used.
    """
    even = frames[::2]
    pairs = len(even) - 1
    if pairs < 1:
        return Score(None, reason="fewer than three frames have nothing to interpolate")
    at_once = _pairs_at_once(frames, 2, networks)
    total = 0.0
    for start in range(0, pairs, at_once):
        stop = min(start + at_once, pairs)
        with torch.inference_mode():
            images, inside = padded(as_tensor(even[start : stop + 1], networks.device) / 255.0, amt.PAD)
            between = networks.amt(images[:-1], images[1:])[:, :, inside[0], inside[1]]
        check_features(between.flatten(1), amt.NAME)
        odd = frames[2 * start + 1 : 2 * stop : 2]
        total += smoothness(between, odd, networks.settings.compatibility.motion_truncated)
    mean = total / (pairs * frames[0].size)
    return Score((255.0 - mean) / 255.0)


class FlowMeter:
    """Motion between sampled frames; remembers the last frame that it encoded, which the next pair needs again.

    Args:
        frames: the sampled frames (N, H, W, 3).
        networks: RAFT is used.
    """

    def __init__(self, frames: Frames, networks: NetworkSet) -> None:
        self._frames = frames
        self._networks = networks
        self._encoded: dict[int, EncodedFrame] = {}

    def motion(self, pairs: range) -> list[float]:
        """Motion in pixels of consecutive pairs; pair i is between frames i and i + 1."""
        return flow_motion(self.flow(pairs))

    def flow(self, pairs: range) -> torch.Tensor:
        """Flow (len(pairs), 2, H, W) in pixels of consecutive pairs."""
        asked = range(pairs.start, pairs.stop + 1)
        new = [index for index in asked if index not in self._encoded]
        network = self._networks.raft
        with torch.inference_mode():
            images, inside = padded(as_tensor(self._frames[new], self._networks.device).float(), raft.PAD)
            known = {**self._encoded, **dict(zip(new, network.encode(images), strict=True))}
            flow = network.flow([known[i] for i in pairs], [known[i + 1] for i in pairs])
        check_features(flow.flatten(1), raft.NAME)
        self._encoded = {pairs.stop: known[pairs.stop]}
        whole = self._networks.settings.compatibility.flow_of_padding
        return flow if whole else flow[:, :, inside[0], inside[1]]


def dynamic_degree(frames: Frames, fps: float, networks: NetworkSet) -> DynamicVerdict:
    """Whether a video moves (vbench/dynamic_degree.py).

    Args:
        frames: (T, H, W, 3).
        fps: decides which frames are sampled.
        networks: RAFT is used.
    """
    half_to_even = networks.settings.compatibility.round_half_to_even
    sampled = frames[list(dynamic_indices(len(frames), fps, half_to_even))]
    return judge_motion(
        FlowMeter(sampled, networks).motion,
        pairs=len(sampled) - 1,
        needed=moving_pairs_needed(len(sampled), half_to_even),
        threshold=motion_threshold(*frames.shape[1:3]),
        most_at_once=_pairs_at_once(frames, 1, networks),
    )


def static_motion(frames: NDArray[np.uint8], networks: NetworkSet) -> Motion:
    """Motion of all pairs that `static_filter.py` of VBench looks at.

    Args:
        frames: (T, H, W, 3), T >= 2.
        networks: RAFT is used; pairs are taken one by one, as VBench does.
    """
    ends = frames[[0, -1, 0]]
    return Motion(pairs=list(_motions(frames, networks)), wraps=list(_motions(ends, networks)))


def _motions(frames: NDArray[np.uint8], networks: NetworkSet) -> Iterator[float]:
    meter = FlowMeter(frames, networks)
    for index in range(len(frames) - 1):
        flow = meter.flow(range(index, index + 1))
        lengths = torch.linalg.vector_norm(flow.float(), dim=1).cpu().numpy()
        yield float(fastest_motion(lengths)[0])


def _pairs_at_once(frames: Frames, correlations: int, networks: NetworkSet) -> int:
    """Pairs whose all-pairs correlations fit into the memory that the settings give, at most a batch."""
    places = frames.shape[1] * frames.shape[2] / _FEATURE_STRIDE**2
    needed = correlations * _PYRAMID * places**2 * _BYTES
    settings = networks.settings
    return max(1, min(settings.batch_frames, int(settings.flow_memory_mib * _MIB / needed)))
