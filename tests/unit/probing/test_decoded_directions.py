"""Directions of a ridge readout against fits that really leave a state out, and against its primal form."""

import numpy as np
import pytest
from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.probing.decoded_directions import PENALTIES, decoded_directions, random_directions_like
from probekit.seeding import generator

Floats = NDArray[np.float64]


def given(rows: int = 14, width: int = 6, noise: float = 1.0) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(0)
    states = 3.0 + rng.normal(size=(rows, width)) * np.array([9.0, 3.0, 1.0, 0.3, 0.1, 0.03])
    return states, states[:, :2] @ rng.normal(size=(2, 2)) + noise * rng.normal(size=(rows, 2)) + 5.0


def fitted(states: Floats, targets: Floats, penalty: float) -> Floats:
    """Weights (D, P) of the primal ridge regression around the means."""
    x, y = states - states.mean(axis=0), targets - targets.mean(axis=0)
    return np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y)


def left_out_error(states: Floats, targets: Floats, penalty: float) -> float:
    error = 0.0
    for row in range(len(states)):
        rest = np.delete(np.arange(len(states)), row)
        weights = fitted(states[rest], targets[rest], penalty)
        guess = targets[rest].mean(axis=0) + (states[row] - states[rest].mean(axis=0)) @ weights
        error += float(((targets[row] - guess) ** 2).sum())
    return error


def mean_squared_length(states: Floats) -> float:
    return float(((states - states.mean(axis=0)) ** 2).sum(axis=1).mean())


@pytest.mark.parametrize("noise", [0.01, 1.0, 30.0])
def test_the_penalty_is_the_one_with_the_least_error_when_each_state_is_left_out(noise: float) -> None:
    states, targets = given(noise=noise)
    found = decoded_directions(states, targets)
    scale = mean_squared_length(states)
    errors = {penalty: left_out_error(states, targets, penalty * scale) for penalty in PENALTIES}
    assert found.penalty == min(errors, key=lambda penalty: errors[penalty])
    spread = float(((targets - targets.mean(axis=0)) ** 2).sum())
    assert found.explained == pytest.approx(1 - errors[found.penalty] / spread, rel=1e-6)


def test_nine_penalties_from_a_ten_thousandth_to_ten_thousand_times_a_state_are_tried() -> None:
    assert pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3, 1e4]) == PENALTIES


def test_directions_span_the_weights_of_the_readout() -> None:
    states, targets = given()
    found = decoded_directions(states, targets)
    weights = fitted(states, targets, found.penalty * mean_squared_length(states))
    assert found.basis.shape == (6, 2)
    np.testing.assert_allclose(found.basis.T @ found.basis, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(found.basis @ found.basis.T @ weights, weights, atol=1e-9)
    np.testing.assert_allclose(found.mean, states.mean(axis=0))


def test_numbers_of_a_target_that_say_the_same_have_one_direction() -> None:
    states, targets = given()
    found = decoded_directions(states, np.column_stack([targets[:, 0], -2 * targets[:, 0], np.full(14, 7.0)]))
    assert found.basis.shape == (6, 1)
    for unit in (1e-6, 1e6):
        assert decoded_directions(states, unit * np.outer(targets[:, 0], [1.0, -2.0])).basis.shape == (6, 1)


def test_a_weak_number_of_a_target_has_a_direction_too() -> None:
    states, targets = given()
    assert decoded_directions(states, targets * np.array([1.0, 1e-7])).basis.shape == (6, 2)


def test_rows_with_any_unknown_number_are_left_out() -> None:
    states, targets = given()
    extra = np.vstack([states, 100 * states[:2]])
    unknown = np.vstack([targets, [[np.nan, 1.0], [2.0, np.inf]]])
    expected, found = decoded_directions(states, targets), decoded_directions(extra, unknown)
    np.testing.assert_array_equal(found.basis, expected.basis)
    assert (found.explained, found.penalty) == (expected.explained, expected.penalty)


def test_ten_known_states_are_enough_and_nine_are_not() -> None:
    states, targets = given()
    assert decoded_directions(states[:10], targets[:10]).basis.shape == (6, 2)
    with pytest.raises(UserError, match="known in 9 states"):
        decoded_directions(states[:9], targets[:9])


@pytest.mark.parametrize("level", [0.0, 1.0, 0.1, -1e9 / 7])
def test_states_that_do_not_vary_but_for_rounding_are_refused(level: float) -> None:
    with pytest.raises(UserError, match="The states are all the same"):
        decoded_directions(np.full((14, 6), level), given()[1])


@pytest.mark.parametrize("value", [0.0, 0.3, -1e9 / 7])
def test_a_target_that_does_not_vary_but_for_rounding_is_refused(value: float) -> None:
    with pytest.raises(UserError, match="The target is the same in every state"):
        decoded_directions(given()[0], np.full((14, 2), value))


def test_states_that_vary_a_little_have_directions() -> None:
    states, targets = given()
    small = decoded_directions(1e5 + 1e-6 * states, targets)
    assert small.basis.shape == (6, 2)
    assert small.penalty == decoded_directions(states, targets).penalty


def test_random_directions_are_orthonormal_as_many_and_named() -> None:
    basis = np.zeros((7, 3))
    found = random_directions_like(basis, "a", 1)
    assert found.shape == (7, 3)
    np.testing.assert_allclose(found.T @ found, np.eye(3), atol=1e-12)
    np.testing.assert_array_equal(found, np.linalg.qr(generator("patch-directions", "a", 1).normal(size=(7, 3)))[0])
    assert not np.allclose(found, random_directions_like(basis, "a", 2))
