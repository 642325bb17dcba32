"""Formulas of flow matching: floats and tensors, one identity after another, guidance over a doubled batch."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from probekit.diffusion.few_step import euler_sigmas, few_step_sigmas, grid_position
from probekit.diffusion.flow_matching import (
    TIMESTEPS,
    clean_estimate,
    euler_step,
    guided_batch,
    guided_prediction,
    interpolate,
    shift_sigma,
    stratified_sigmas,
    velocity_target,
)

LEVELS = st.floats(0.01, 0.99)


def pair() -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(2, 3, 2, 4, 4, 4, generator=rng, dtype=torch.float64)
    return clean, noise


@pytest.mark.long
@given(level=LEVELS, shift=st.floats(0.5, 8))
def test_a_level_is_shifted_alike_as_float_and_tensor(level: float, shift: float) -> None:
    assert shift_sigma(torch.tensor(level, dtype=torch.float64), shift).item() == shift_sigma(level, shift)
    assert shift_sigma(0.0, shift) == 0.0
    assert shift_sigma(1.0, shift) == 1.0


@given(level=LEVELS)
def test_the_true_flow_leads_from_any_level_back_to_the_clean_latents(level: float) -> None:
    clean, noise = pair()
    noisy, flow = interpolate(clean, noise, level), velocity_target(clean, noise)
    torch.testing.assert_close(clean_estimate(noisy, flow, level), clean)
    torch.testing.assert_close(euler_step(noisy, flow, level, 0.0), clean)
    torch.testing.assert_close(euler_step(noisy, flow, level, level / 2), interpolate(clean, noise, level / 2))


def test_a_level_is_the_share_of_the_noise() -> None:
    assert interpolate(torch.tensor([8.0]), torch.tensor([-2.0]), 0.25).tolist() == [5.5]
    assert interpolate(torch.tensor([8.0]), torch.tensor([-2.0]), 1).tolist() == [-2.0]


@pytest.mark.parametrize("count", [1, 2, 7])
def test_one_uniform_draw_lies_in_each_of_equal_strata_before_the_shift(count: int) -> None:
    plain = stratified_sigmas(count, 1.0, torch.Generator().manual_seed(3))
    drawn = torch.rand(count, generator=torch.Generator().manual_seed(3))
    assert torch.floor(plain * count).tolist() == list(range(count))
    torch.testing.assert_close(plain * count - torch.arange(count), drawn)
    shifted = stratified_sigmas(count, 5.0, torch.Generator().manual_seed(3))
    torch.testing.assert_close(shifted, 5 * plain / (1 + 4 * plain))


@pytest.mark.parametrize("shape", [(3,), (3, 1, 4, 1, 1)])
def test_levels_of_videos_and_of_frames_broadcast(shape: tuple[int, ...]) -> None:
    clean, noise = pair()
    sigma = torch.linspace(0.1, 0.9, torch.Size(shape).numel(), dtype=torch.float64).reshape(shape)
    noisy = interpolate(clean, noise, sigma)
    for row, frame in ((0, 0), (2, 3)):
        level = float(sigma.flatten()[row] if len(shape) == 1 else sigma[row, 0, frame])
        torch.testing.assert_close(noisy[row, :, frame], interpolate(clean[row, :, frame], noise[row, :, frame], level))


@pytest.mark.parametrize(("scale", "seen"), [(1.0, 3), (1.5, 6), (4.0, 6)])
def test_guidance_asks_once_for_both_prompts_and_without_it_for_one(scale: float, seen: int) -> None:
    clean, _ = pair()
    asked: list[int] = []
    text = guided_batch(torch.full((3, 1), 2.0), scale, torch.full((3, 1), 0.5))

    def predict(latents: Tensor) -> Tensor:
        asked.append(len(latents))
        return latents * text[:, :, None, None, None]

    flow = guided_prediction(predict, clean, scale)
    assert asked == [seen]
    torch.testing.assert_close(flow, clean * (2.0 if scale == 1 else 0.5 + scale * 1.5))


def test_few_steps_lie_on_a_grid_that_has_them() -> None:
    steps = (1000, 750, 500, 250)
    assert [grid_position(step, 48) for step in steps] == [0, 12, 24, 36]
    assert grid_position(250, 3).denominator == 4
    grid = euler_sigmas(48, 5.0)
    assert few_step_sigmas(steps, 5.0) == pytest.approx([grid[int(grid_position(step, 48))] for step in steps])
    assert [TIMESTEPS * level for level in few_step_sigmas()] == pytest.approx([1000, 937.5, 833.333333, 625])


def test_an_euler_solver_goes_from_noise_to_clean_in_even_steps() -> None:
    assert euler_sigmas(4, 1.0) == (1.0, 0.75, 0.5, 0.25, 0.0)
    assert euler_sigmas(1, 5.0) == (1.0, 0.0)
