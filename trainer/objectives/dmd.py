"""Distribution-matching distillation as pure functions (DMD, arXiv 2311.18828; Self-Forcing, arXiv 2506.08009)."""

import torch
from torch import Tensor

from probekit.diffusion.flow_matching import TIMESTEPS, expand_sigma, shift_sigma


def score_timesteps(uniform: Tensor, shift: float, allowed: tuple[float, float]) -> Tensor:
    """Timesteps (B,) at which the scores are compared: uniform draws in [0, 1], shifted, then clamped."""
    return (shift_sigma(uniform, shift) * TIMESTEPS).clamp(*allowed)


def dmd_gradient(generated: Tensor, fake: Tensor, real: Tensor) -> Tensor:
    """(fake - real) / mean|x̂ - real|, the mean taken over each sample (DMD, equations 7 and 8, in x0 space).

    A sample that equals the teacher's estimate has nothing to move to: its gradient is 0, where the formula has 0 / 0.

    Args:
        generated: x̂ (B, C, L, h, w).
        fake: clean estimate of the critic, of the same shape.
        real: guided clean estimate of the teacher.
    """
    distance = (generated - real).abs().mean(dim=tuple(range(1, generated.ndim)), keepdim=True)
    found: Tensor = torch.where(distance == 0, torch.zeros_like(fake), (fake - real) / distance)
    return found


def dmd_loss(generated: Tensor, gradient: Tensor) -> Tensor:
    """½·mean((x̂ - sg[x̂ - gradient])²), a scalar whose derivative by x̂ is gradient / number of elements."""
    target = (generated - gradient).detach()
    return 0.5 * (generated - target).square().mean()


def critic_loss(flow: Tensor, generated: Tensor, noise: Tensor) -> Tensor:
    """Flow matching on the generator's own samples, directly on the flow output; a scalar in fp32."""
    return (flow.float() - (noise - generated).float()).square().mean()


def official_critic_loss(
    flow: Tensor, generated: Tensor, noise: Tensor, score_sigma: Tensor, generator_sigma: Tensor
) -> Tensor:
    """The official critic loss, which goes to x0 with one table of levels and back to a flow with another.

    The detour scales the flow by score_sigma / generator_sigma, 19 % too much at timestep 20.

    Args:
        flow: the critic's output (B, C, L, h, w).
        generated: the generator's samples.
        noise: what they were noised with.
        score_sigma: (B,) levels of the critic's table (shift 8).
        generator_sigma: (B,) levels of the generator's table (shift 5).
    """
    scale = expand_sigma(score_sigma / generator_sigma, flow)
    return critic_loss(flow * scale, generated, noise)
