"""Distances, the regulariser and the schedule of λ by hand and against plain formulas."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainer.foresight.losses import (
    cosine_distance,
    cosines,
    mean_squared_distance,
    random_directions,
    sigreg,
    weight_at,
)


def test_the_distance_is_one_minus_the_mean_cosine_over_tokens() -> None:
    predicted = torch.tensor([[[3.0, 4.0], [1.0, 0.0], [-2.0, 0.0]]])
    target = torch.tensor([[[5.0, 0.0], [0.0, 7.0], [3.0, 0.0]]])  # cosines 0.6, 0 and -1
    assert cosine_distance(predicted, target).item() == pytest.approx(1 - (0.6 + 0 - 1) / 3)
    assert cosines(predicted, target) == pytest.approx((0.6 + 0 - 1) / 3)
    assert cosine_distance(predicted.bfloat16(), target.bfloat16()).dtype == torch.float32


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
def test_a_cosine_knows_no_size(size: float) -> None:
    predicted, target = torch.tensor([[3.0, -4.0]]) * size, torch.tensor([[-4.0, 3.0]]) * size
    assert cosine_distance(predicted, target).item() == pytest.approx(1 + 24 / 25)


def test_a_zero_vector_has_cosine_zero_and_a_finite_gradient() -> None:
    predicted = torch.zeros(1, 2, requires_grad=True)
    loss = cosine_distance(predicted, torch.tensor([[1.0, 0.0]]))
    loss.backward()
    assert loss.item() == 1.0
    assert predicted.grad is not None
    assert bool(predicted.grad.isfinite().all())


def test_a_cosine_that_is_not_a_number_is_logged_as_such() -> None:
    assert math.isnan(cosines(torch.tensor([[math.nan, 1.0]]), torch.ones(1, 2)))


def test_the_squared_distance_is_relative_to_the_targets_root_mean_square() -> None:
    """Differences 1 and -3; mean square 5; the target's mean square is (9 + 16) / 2."""
    predicted, target = torch.tensor([4.0, 1.0]), torch.tensor([3.0, 4.0])
    assert mean_squared_distance(predicted, target).item() == pytest.approx(5 / 12.5)
    assert mean_squared_distance(predicted * 100, target * 100).item() == pytest.approx(5 / 12.5)
    assert mean_squared_distance(predicted.bfloat16(), target.bfloat16()).dtype == torch.float32


def test_a_target_of_zeros_has_the_scale_one() -> None:
    assert mean_squared_distance(torch.tensor([3.0, 4.0]), torch.zeros(2)).item() == pytest.approx(12.5)


@pytest.mark.parametrize("size", [1e-30, 1e-3, 1e30])
def test_squares_of_huge_and_tiny_targets_stay_in_range(size: float) -> None:
    target = torch.tensor([1.0, -2.0, 2.0]) * size
    assert mean_squared_distance(2 * target, target).item() == pytest.approx(1.0)


def test_directions_are_unit_vectors_that_a_seed_names() -> None:
    directions = random_directions(8, 5, seed=3)
    assert directions.shape == (8, 5)
    torch.testing.assert_close(directions.norm(dim=0), torch.ones(5))
    assert torch.equal(directions, random_directions(8, 5, seed=3))
    assert not torch.equal(directions, random_directions(8, 5, seed=4))
    assert torch.equal(directions, random_directions(8, 5, seed=3 + 2**63))
    assert not torch.equal(random_directions(8, 5, seed=4), random_directions(8, 5, seed=6))


def plain_sigreg(features: np.ndarray, directions: np.ndarray, points: int, reach: float) -> float:
    """One direction, one frequency after another."""
    frequencies = np.linspace(-reach, reach, points)
    found = []
    for direction in directions.T:
        values = features @ direction
        error = [
            abs(np.exp(1j * values * t).mean() - math.exp(-(t**2) / 2)) ** 2 * math.exp(-(t**2) / 2)
            for t in frequencies
        ]
        found.append(len(features) * np.trapezoid(error, frequencies))
    return float(np.mean(found))


@pytest.mark.parametrize(("points", "reach"), [(17, 5.0), (9, 2.5)])
def test_the_regulariser_is_the_weighted_distance_of_characteristic_functions(points: int, reach: float) -> None:
    features = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)) * 2 + 1
    directions = random_directions(3, 4, seed=1)
    expected = plain_sigreg(features.double().numpy(), directions.double().numpy(), points, reach)
    assert sigreg(features, directions, points, reach).item() == pytest.approx(expected, rel=1e-4)


def test_the_regulariser_integrates_17_points_from_minus_5_to_5_unless_told() -> None:
    """Of a feature far out the integrand swings faster than the points stand, so that their number shows."""
    features, directions = torch.tensor([[0.5], [9.0]]), torch.ones(1, 1)
    expected = plain_sigreg(features.double().numpy(), directions.double().numpy(), 17, 5.0)
    assert sigreg(features, directions).item() == pytest.approx(expected, rel=1e-5)


def test_the_regulariser_is_computed_in_fp32_under_autocast() -> None:
    features = torch.randn(64, 16, generator=torch.Generator().manual_seed(0))
    directions = random_directions(16, 4, seed=1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = sigreg(features, directions)
    assert found.item() == sigreg(features, directions).item()


@pytest.mark.parametrize(
    ("step", "expected"), [(0, 0.0), (9, 0.0), (10, 0.05), (11, 0.1), (13, 0.2), (14, 0.2), (1000, 0.2)]
)
def test_the_weight_rises_linearly_from_its_first_step(step: int, expected: float) -> None:
    assert weight_at(step, 0.2, start_step=10, warmup_steps=4) == pytest.approx(expected)


@given(step=st.integers(0, 50), start=st.integers(0, 50))
def test_without_a_warm_up_the_weight_is_there_at_once(step: int, start: int) -> None:
    assert weight_at(step, 0.3, start, 0) == (0.3 if step >= start else 0.0)
