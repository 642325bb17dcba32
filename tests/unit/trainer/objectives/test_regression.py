"""Regression losses by hand, and the bell of stage 1 against its formula."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from trainer.objectives.regression import (
    bell_total,
    bell_weight,
    flow_matching_loss,
    trajectory_loss,
    weighted_flow_loss,
)


@pytest.mark.parametrize("loss", [flow_matching_loss, trajectory_loss])
def test_the_loss_is_the_mean_of_squared_differences_in_fp32(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    first, second = torch.tensor([[1.0, 2.0], [3.0, -4.0]]), torch.tensor([[0.0, 4.0], [3.0, -1.0]])
    assert loss(first, second).item() == pytest.approx((1 + 4 + 0 + 9) / 4)
    assert loss(first.bfloat16(), second.bfloat16()).dtype == torch.float32


@given(timestep=st.floats(0, 1000), total=st.floats(10, 1000))
def test_the_bell_has_its_formula(timestep: float, total: float) -> None:
    expected = (math.exp(-2 * ((timestep - 500) / 1000) ** 2) - math.exp(-0.5)) * 1000 / total
    weight = bell_weight(torch.tensor([timestep], dtype=torch.float64), total)
    assert weight.item() == pytest.approx(expected, abs=1e-12)


def test_the_bell_is_highest_in_the_middle_and_zero_at_both_ends() -> None:
    ends = bell_weight(torch.tensor([0.0, 500.0, 1000.0], dtype=torch.float64), 1000.0)
    assert ends.tolist() == pytest.approx([0.0, 1 - math.exp(-0.5), 0.0], abs=1e-12)


@pytest.mark.parametrize("shift", [1.0, 5.0])
def test_the_weights_of_a_schedules_levels_sum_to_their_number(shift: float) -> None:
    """So that weighting leaves the size of the mean loss alone."""
    plain = torch.arange(1000, 0, -1, dtype=torch.float64) / 1000
    levels = shift * plain / (1 + (shift - 1) * plain) * 1000
    assert bell_weight(levels, bell_total(shift)).sum().item() == pytest.approx(1000)


def test_each_chunk_of_each_video_is_weighted_by_its_own_weight() -> None:
    """Two videos of two chunks of two frames: errors 1, 4, 9 and 16, weights 1, 10, 100 and 1000."""
    target = torch.full((2, 3, 4, 2, 2), 20.0)
    predicted = target + torch.tensor([[1.0, 1.0, 2.0, 2.0], [3.0, 3.0, 4.0, 4.0]]).view(2, 1, 4, 1, 1)
    weight = torch.tensor([[1.0, 10.0], [100.0, 1000.0]])
    assert weighted_flow_loss(predicted, target, weight).item() == pytest.approx((1 + 40 + 900 + 16000) / 4)


def test_a_chunks_error_is_the_mean_over_all_its_values() -> None:
    """One channel, frame and pixel of 3 x 2 x 2 x 2 is wrong by 2."""
    predicted = torch.zeros(1, 3, 4, 2, 2)
    predicted[0, 1, 2, 0, 1] = 2.0
    weight = torch.tensor([[7.0, 5.0]])
    loss = weighted_flow_loss(predicted, torch.zeros_like(predicted), weight)
    assert loss.item() == pytest.approx(5 * (4 / 24) / 2)
