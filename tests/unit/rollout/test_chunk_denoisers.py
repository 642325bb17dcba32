"""Denoisers on a flow that is known: each step is the equation, with its own level, noise and gradient."""

import numpy as np
import pytest
import torch
from torch import Tensor

from probekit.rollout.chunk_denoisers import EulerDenoiser, FewStepDenoiser

SIGMAS = (1.0, 0.75, 0.5, 0.25)
DRAWN = [torch.full((1, 2), value) for value in (8.0, -4.0, 2.0, 6.0)]


class Flow:
    """A flow of half the latents plus the level, with a weight that learns; keeps what it was asked."""

    def __init__(self) -> None:
        self.weight = torch.tensor(0.5, requires_grad=True)
        self.asked: list[tuple[float, float, int, bool]] = []

    def __call__(self, latents: Tensor, sigma: float, step: int) -> Tensor:
        self.asked.append((float(latents[0, 0]), sigma, step, torch.is_grad_enabled()))
        return self.weight * latents + sigma


def draw(step: int) -> Tensor:
    return DRAWN[step].clone()


def test_each_step_estimates_the_clean_chunk_and_takes_fresh_noise_to_the_next_level() -> None:
    flow = Flow()
    found = FewStepDenoiser(SIGMAS).denoise(flow, draw)
    latents, expected = 8.0, []
    for step, sigma in enumerate(SIGMAS):
        expected.append((latents, sigma, step, False))
        clean = latents - sigma * (0.5 * latents + sigma)
        if step < 3:
            latents = (1 - SIGMAS[step + 1]) * clean + SIGMAS[step + 1] * float(DRAWN[step + 1][0, 0])
    assert np.array(flow.asked) == pytest.approx(np.array(expected))
    assert found[0].tolist() == pytest.approx([clean, clean])
    assert not found.requires_grad


@pytest.mark.parametrize("exit_step", [0, 1, 3])
def test_the_exit_steps_estimate_is_the_result_and_alone_has_a_gradient(exit_step: int) -> None:
    flow = Flow()
    found = FewStepDenoiser(SIGMAS, exit_step, gradient=True).denoise(flow, draw)
    assert [asked[2:] for asked in flow.asked] == [(step, step == exit_step) for step in range(exit_step + 1)]
    latents, sigma = flow.asked[-1][0], SIGMAS[exit_step]
    assert found[0, 0].item() == pytest.approx(latents - sigma * (0.5 * latents + sigma))
    found.sum().backward()
    assert flow.weight.grad is not None
    assert flow.weight.grad.item() == pytest.approx(-sigma * latents * 2)


@pytest.mark.parametrize("exit_step", [-1, 4])
def test_an_exit_step_that_does_not_exist_is_refused(exit_step: int) -> None:
    with pytest.raises(ValueError, match=f"exit_step {exit_step} is not one of 4 steps"):
        FewStepDenoiser(SIGMAS, exit_step)


def test_euler_follows_the_flow_from_level_to_level() -> None:
    flow = Flow()
    found = EulerDenoiser((1.0, 0.5, 0.125, 0.0)).denoise(flow, draw)
    latents, expected = 8.0, []
    for step, (sigma, following) in enumerate(((1.0, 0.5), (0.5, 0.125), (0.125, 0.0))):
        expected.append((latents, sigma, step, False))
        latents += (following - sigma) * (0.5 * latents + sigma)
    assert np.array(flow.asked) == pytest.approx(np.array(expected))
    assert found[0].tolist() == pytest.approx([latents, latents])
