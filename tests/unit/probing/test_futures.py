"""Forked futures by hand: their noise."""

import torch
from torch import Tensor

from probekit.probing.futures import BranchedNoise


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
