"""Rectified-flow (flow matching) formulas, as Wan uses them: sigma = 1 is noise, sigma = 0 is data.

Lipman et al., arXiv 2210.02747; the timestep shift is that of Esser et al., arXiv 2403.03206, section 5.3.2. Samplers
and training stages call these same formulas. Noise levels may be floats or tensors. Torch-free to import.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from torch import Generator, Tensor

Level = TypeVar("Level", float, "Tensor")

TIMESTEPS: Final = 1000
"""Models are told sigma as a timestep in [0, 1000]."""


def expand_sigma(sigma: "Tensor", like: "Tensor") -> "Tensor":
    """Append axes to sigma (B,) or (B, 1, L, 1, 1) until it broadcasts against `like`."""
    return sigma.reshape(sigma.shape + (1,) * (like.ndim - sigma.ndim))


def shift_sigma(sigma: Level, shift: float) -> Level:
    """Move noise levels upwards: shift·sigma / (1 + (shift - 1)·sigma), which keeps 0 and 1."""
    return shift * sigma / (1 + (shift - 1) * sigma)


def interpolate(clean: "Tensor", noise: "Tensor", sigma: "Tensor | float") -> "Tensor":
    """x_sigma = (1 - sigma)·x0 + sigma·noise, with sigma in [0, 1]: a float, (B,) or (B, 1, L, 1, 1)."""
    weight = sigma if isinstance(sigma, float | int) else expand_sigma(sigma, clean)
    return (1 - weight) * clean + weight * noise


def velocity_target(clean: "Tensor", noise: "Tensor") -> "Tensor":
    """The flow that the model learns: d x_sigma / d sigma = noise - x0."""
    return noise - clean


def clean_estimate(latents: "Tensor", flow: "Tensor", sigma: "Tensor | float") -> "Tensor":
    """x0 = x_sigma - sigma·flow, with sigma broadcast."""
    return latents - sigma * flow


def euler_step(latents: "Tensor", flow: "Tensor", sigma: float, following: float) -> "Tensor":
    """One Euler step of the flow ODE from one noise level to the next."""
    return latents + (following - sigma) * flow


def stratified_sigmas(count: int, shift: float, rng: "Generator") -> "Tensor":
    """Noise levels (count,) in (0, 1): one uniform draw in each of `count` equal strata, then shifted.

    Strata spread a batch over all levels, which lowers the variance of the loss and leaves its mean alone.
    """
    import torch

    uniform = (torch.arange(count) + torch.rand(count, generator=rng)) / count
    return shift_sigma(uniform, shift)


def classifier_free_guidance(conditional: "Tensor", unconditional: "Tensor", scale: float) -> "Tensor":
    """Guided flow u + scale·(c - u), Ho & Salimans, arXiv 2207.12598; scale 1 is the conditional model."""
    return unconditional + scale * (conditional - unconditional)


def guided_batch(inputs: "Tensor", scale: float, negative: "Tensor | None" = None) -> "Tensor":
    """What a model is given under guidance: the batch twice; with a scale of 1 the batch itself.

    Args:
        inputs: (B, ...), e.g. latents, timesteps or prompt embeddings.
        scale: scale of the guidance, at least 1.
        negative: second half of the batch, e.g. embeddings of the negative prompt; None repeats `inputs`.
    """
    import torch

    return torch.cat([inputs, inputs if negative is None else negative]) if scale > 1 else inputs


def guided_prediction(predict: "Callable[[Tensor], Tensor]", latents: "Tensor", scale: float) -> "Tensor":
    """Guided flow (B, ...) by one pass over the doubled batch; with a scale of 1 the negative prompt costs nothing.

    Args:
        predict: flow of a batch from `guided_batch`, whose second half sees the negative prompt.
        latents: (B, ...).
        scale: scale of the guidance, at least 1.
    """
    flow = predict(guided_batch(latents, scale))
    if scale <= 1:
        return flow
    conditional, unconditional = flow.chunk(2)
    return classifier_free_guidance(conditional, unconditional, scale)
