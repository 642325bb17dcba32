"""Forked futures by hand: their noise and their mean."""

import numpy as np
import torch
from torch import Tensor

from probekit.probing.futures import BranchedNoise, Futures


def constant_frames(*levels: int) -> np.ndarray:
    return np.stack([np.full((4, 4, 3), level, np.uint8) for level in levels])


def test_the_mean_of_futures_is_over_all_of_them() -> None:
    continuations = np.stack([constant_frames(0, 10), constant_frames(60, 20), constant_frames(240, 33)])
    found = Futures(constant_frames(0)[0], continuations, (1, 2)).mean()
    assert found[0, 0, 0, 0] == 100
    assert found[1, 0, 0, 0] == 21


class Named:
    """Noise that says where it comes from."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __call__(self, chunk: int, step: int) -> Tensor:
        return torch.tensor([self.value, chunk, step])


def test_a_fork_shares_its_noise_up_to_and_with_its_chunk() -> None:
    noise = BranchedNoise(Named(0.0), Named(1.0), last_shared=3)
    assert [float(noise(chunk, 0)[0]) for chunk in range(6)] == [0, 0, 0, 0, 1, 1]
    assert noise(5, 2).tolist() == [1.0, 5.0, 2.0]
    other = BranchedNoise(Named(0.0), Named(1.0), last_shared=1, rejoined=3)
    assert [float(other(chunk, 0)[0]) for chunk in range(5)] == [0, 0, 1, 0, 0]
