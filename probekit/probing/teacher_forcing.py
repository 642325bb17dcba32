"""Passes of a generator over videos that it did not make: noised, inverted, or as another network was shown."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from torch import Tensor

from probekit.diffusion.flow_matching import euler_step, interpolate
from probekit.probing.recording import INVERSION, PassInput
from probekit.rollout.chunk_denoisers import DrawNoise, Predict


class TeacherForcedDenoiser:
    """Shows the generator a given video, chunk by chunk, at each of its own noise levels; gives the clean chunk back.

    The past in the cache is the given video's, and so is what is noised: x_s = (1 - s)·x + s·noise (flow matching).

    Args:
        video: clean latents (B, C, L, h, w).
        chunk_frames: latent frames of a chunk.
        sigmas: noise levels of the generator's steps, highest first.
    """

    def __init__(self, video: Tensor, chunk_frames: int, sigmas: Sequence[float]) -> None:
        self._chunks: Iterator[Tensor] = iter(video.split(chunk_frames, dim=2))
        self._sigmas = sigmas

    def denoise(self, predict: Predict, draw: DrawNoise) -> Tensor:
        """One pass per noise level over the noised chunk."""
        clean = next(self._chunks)
        for step, sigma in enumerate(self._sigmas):
            noise = draw(step)
            predict(interpolate(clean.to(noise.device), noise, sigma), sigma, step)
        return clean.to(noise.device)


class InvertingDenoiser:
    """Shows the generator a given video on its own way from noise: the flow's ODE is solved backwards, from the video.

    No noise is drawn. What is shown at a level is what the generator's own ODE would have there, if it were solved
    exactly and ended in the given chunk; x' = flow, in explicit Euler steps from level 0 up (Song et al., arXiv
    2010.02502, for the idea; Lipman et al., arXiv 2210.02747, for the flow).

    Args:
        video: clean latents (B, C, L, h, w).
        chunk_frames: latent frames of a chunk.
        sigmas: noise levels of the generator's steps, highest first.
        grid: levels that the solver visits besides, such as `euler_sigmas`.
    """

    def __init__(self, video: Tensor, chunk_frames: int, sigmas: Sequence[float], grid: Sequence[float]) -> None:
        self._chunks: Iterator[Tensor] = iter(video.split(chunk_frames, dim=2))
        self._sigmas = sigmas
        self._up = sorted({0.0, *sigmas, *(sigma for sigma in grid if sigma < max(sigmas))})

    def denoise(self, predict: Predict, draw: DrawNoise) -> Tensor:
        """Solve backwards, then one pass per noise level of the generator."""
        clean = next(self._chunks).to(draw(0).device)
        latents, at_level = clean, {0.0: clean}
        for sigma, following in pairwise(self._up):
            latents = euler_step(latents, predict(latents, sigma, INVERSION), sigma, following)
            at_level[following] = latents
        for step, sigma in enumerate(self._sigmas):
            predict(at_level[sigma], sigma, step)
        return clean


class Replay:
    """Shows a network the passes that another one made; the result is what the other one made of them.

    Args:
        passes: recorded passes, in their order.
        video: clean latents (B, C, L, h, w) of the other one.
        chunk_frames: latent frames of a chunk.
    """

    def __init__(self, passes: Sequence[PassInput], video: Tensor, chunk_frames: int) -> None:
        self._passes = [(one, one.step) for one in passes if one.step is not None]
        self._clean = video.split(chunk_frames, dim=2)
        self._next = 0

    def denoise(self, predict: Predict, draw: DrawNoise) -> Tensor:
        """The recorded passes of the next chunk."""
        chunk, self._next = self._next, self._next + 1
        for one, step in self._passes:
            if one.chunk == chunk:
                predict(one.latents, one.sigma, step)
        clean: Tensor = self._clean[chunk].to(self._passes[0][0].latents.device)
        return clean
