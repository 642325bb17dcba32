"""Motion for VBench's static filter, by RAFT: neighbouring frames, and the first frame against the last."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from probekit.evaluation.fast.motion import FlowMeter
from probekit.evaluation.fast.network_set import NetworkSet
from probekit.evaluation.static_filter import Motion, fastest_motion


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
