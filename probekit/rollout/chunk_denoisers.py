"""How one chunk goes from noise to its clean estimate: the few-step student and the Euler solver."""

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from probekit.diffusion.flow_matching import clean_estimate, euler_step, interpolate

Predict = Callable[[Tensor, float, int], Tensor]
"""Flow of latents (B, C, n, h, w) at a noise level; the last argument is the index of the step."""
DrawNoise = Callable[[int], Tensor]


class ChunkDenoiser(Protocol):
    """Makes the clean latents of one chunk."""

    def denoise(self, predict: Predict, draw: DrawNoise) -> Tensor:
        """Clean latents (B, C, n, h, w) from noise `draw(0)`, with `draw(k + 1)` to re-noise after step k."""
        ...


class FewStepDenoiser:
    """x0 = x - sigma·flow, re-noised with fresh noise to the next level (Self-Forcing, arXiv 2506.08009, algorithm 1).

    Args:
        sigmas: noise levels, highest first.
        exit_step: zero-based step whose x0 is the result; None is the last.
        gradient: whether the exit step runs with gradient; the others never do.

    Raises:
        ValueError: for an exit step that does not exist.
    """

    def __init__(self, sigmas: Sequence[float], exit_step: int | None = None, gradient: bool = False) -> None:
        self._exit = len(sigmas) - 1 if exit_step is None else exit_step
        if not 0 <= self._exit < len(sigmas):
            raise ValueError(f"exit_step {exit_step} is not one of {len(sigmas)} steps")
        self._sigmas = sigmas
        self._gradient = gradient

    def denoise(self, predict: Predict, draw: DrawNoise) -> Tensor:
        """Clean latents; they carry gradient to the model if asked for, never to the noise of earlier chunks."""
        latents = draw(0)
        with torch.no_grad():
            for step in range(self._exit):
                sigma, following = self._sigmas[step], self._sigmas[step + 1]
                clean = clean_estimate(latents, predict(latents, sigma, step), sigma)
                latents = interpolate(clean, draw(step + 1), following)
        sigma = self._sigmas[self._exit]
        with torch.set_grad_enabled(self._gradient):
            return clean_estimate(latents, predict(latents, sigma, self._exit), sigma)


class EulerDenoiser:
    """Explicit Euler on the flow ODE.

    Args:
        sigmas: noise levels from 1 to 0, one more than steps.
    """

    def __init__(self, sigmas: Sequence[float]) -> None:
        self._sigmas = sigmas

    @torch.no_grad()
    def denoise(self, predict: Predict, draw: DrawNoise) -> Tensor:
        """Clean latents, the end of the trajectory."""
        latents = draw(0)
        for step, (sigma, following) in enumerate(zip(self._sigmas[:-1], self._sigmas[1:], strict=True)):
            latents = euler_step(latents, predict(latents, sigma, step), sigma, following)
        return latents
