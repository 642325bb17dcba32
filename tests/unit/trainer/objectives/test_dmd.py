"""DMD's functions by hand and by their derivatives."""

import pytest
import torch
from torch import Tensor

from trainer.objectives.dmd import critic_loss, dmd_gradient, dmd_loss, official_critic_loss, score_timesteps


def videos(*values: float) -> Tensor:
    """One video of four equal elements for each value: (B, 1, 1, 2, 2)."""
    return torch.tensor(values, dtype=torch.float32).view(-1, 1, 1, 1, 1).expand(-1, 1, 1, 2, 2).clone()


def test_timesteps_of_the_scores_are_shifted_and_then_clamped() -> None:
    uniform = torch.tensor([0.0, 0.004, 0.5, 1.0])
    shifted = score_timesteps(uniform, 5.0, (20.0, 980.0))
    assert shifted.tolist() == pytest.approx([20.0, 20.0, 1000 * 5 * 0.5 / 3, 980.0])
    assert score_timesteps(uniform, 1.0, (0.0, 1000.0)).tolist() == pytest.approx([0.0, 4.0, 500.0, 1000.0])


def test_each_sample_is_normalised_by_its_own_distance() -> None:
    gradient = dmd_gradient(videos(0, 0), videos(1, 1), videos(2, 10))
    torch.testing.assert_close(gradient, videos((1 - 2) / 2, (1 - 10) / 10))


def test_the_distance_is_the_mean_of_absolute_differences() -> None:
    """Differences of 1 and -3 to the teacher have the mean 2; their plain mean would be -1."""
    generated = torch.tensor([5.0, 1.0]).view(1, 1, 1, 1, 2)
    real = torch.tensor([4.0, 4.0]).view(1, 1, 1, 1, 2)
    gradient = dmd_gradient(generated, real + 6.0, real)
    assert gradient.flatten().tolist() == [3.0, 3.0]


def test_a_samples_distance_is_taken_over_channels_frames_and_pixels() -> None:
    """Channels 1 and 3 apart from the teacher: one distance of 2 for both, not one for each."""
    real = torch.zeros(1, 2, 1, 1, 1)
    generated = torch.tensor([1.0, 3.0]).view(1, 2, 1, 1, 1)
    assert dmd_gradient(generated, torch.full_like(real, 6.0), real).flatten().tolist() == [3.0, 3.0]


def test_a_sample_that_equals_the_teachers_estimate_is_left_where_it_is() -> None:
    gradient = dmd_gradient(videos(1, 0), videos(1, 3), videos(1, 1))
    torch.testing.assert_close(gradient, videos(0, 2))


def test_the_losss_derivative_is_the_gradient_over_the_number_of_elements() -> None:
    generated = videos(3, -2).requires_grad_()
    gradient = torch.arange(8.0).view(2, 1, 1, 2, 2)
    loss = dmd_loss(generated, gradient)
    loss.backward()
    assert generated.grad is not None
    torch.testing.assert_close(generated.grad, gradient / 8)
    assert loss.item() == pytest.approx(0.5 * sum(value**2 for value in range(8)) / 8)


def test_the_critic_learns_the_flow_from_its_sample_to_the_noise() -> None:
    generated, noise = videos(1, 4), videos(3, -1)
    assert critic_loss(noise - generated, generated, noise).item() == 0
    assert critic_loss(videos(0, 0), generated, noise).item() == pytest.approx((2**2 + 5**2) / 2)
    assert critic_loss(videos(0, 0).bfloat16(), generated, noise).dtype == torch.float32


def test_the_official_detour_scales_each_flow_by_the_ratio_of_the_two_levels() -> None:
    generated, noise = videos(1, 4), videos(3, -1)
    score, generator = torch.tensor([0.75, 0.9]), torch.tensor([0.5, 0.9])
    found = official_critic_loss(videos(2, -5), generated, noise, score, generator)
    assert found.item() == pytest.approx(((1.5 * 2 - 2) ** 2 + 0) / 2)
