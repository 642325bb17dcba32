"""Futures: enumeration against the hazard's definition and against sampling."""

import numpy as np
import pytest

from probekit.errors import UserError
from probekit.sprite_world.dynamics import MotionState, advance
from probekit.sprite_world.factors import TRAINED_WORLD
from probekit.sprite_world.futures import FutureDistribution, enumerate_futures, sample_futures
from probekit.sprite_world.vocabulary import DIRECTIONS

CENTRE = MotionState(np.asarray(256), np.asarray(200), np.asarray(0))
RADIUS = 4.0


def test_the_present_is_certain() -> None:
    future = enumerate_futures(CENTRE, RADIUS, 0)
    assert future.probability.tolist() == [1.0]
    assert future.states.x.tolist() == [256]


def test_one_step_has_eight_outcomes_with_the_hazard_spread_evenly() -> None:
    future = enumerate_futures(CENTRE, RADIUS, 1)
    moved = advance(CENTRE, RADIUS)
    assert set(future.states.direction.tolist()) == set(range(len(DIRECTIONS)))
    assert set(future.states.x.tolist()) == {int(moved.x)}
    straight = future.states.direction == 0
    assert future.probability[straight] == pytest.approx(1 - TRAINED_WORLD.turn_hazard)
    np.testing.assert_allclose(future.probability[~straight], TRAINED_WORLD.turn_hazard / 7)


@pytest.mark.parametrize("horizon", [4, 12, 24])
def test_probabilities_sum_to_one(horizon: int) -> None:
    assert enumerate_futures(CENTRE, RADIUS, horizon).probability.sum() == pytest.approx(1, abs=1e-12)


def test_two_steps_compose_to_one_longer_step() -> None:
    """Markov: the distribution after 3 frames is the mixture of one-frame distributions from the states after 2."""
    after_two = enumerate_futures(CENTRE, RADIUS, 2)
    mean = np.zeros(2)
    for x, y, direction, weight in zip(*after_two.states, after_two.probability, strict=True):
        state = MotionState(np.asarray(x), np.asarray(y), np.asarray(direction))
        mean += weight * enumerate_futures(state, RADIUS, 1).mean_position()
    np.testing.assert_allclose(mean, enumerate_futures(CENTRE, RADIUS, 3).mean_position(), atol=1e-12)


def test_sampling_agrees_with_enumeration_within_its_stated_error() -> None:
    exact = enumerate_futures(CENTRE, RADIUS, 36)
    sampled = sample_futures(CENTRE, RADIUS, 36, 20_000, np.random.default_rng(0))
    for axis in (0, 1):
        for threshold in (200, 256, 300):
            probability = exact.probability[exact.states[axis] > threshold].sum()
            share = (sampled.states[axis] > threshold).mean()
            assert abs(share - probability) < 4 * sampled.standard_error


def test_too_many_states_and_too_few_samples_are_refused() -> None:
    with pytest.raises(UserError, match="sample_futures"):
        enumerate_futures(CENTRE, RADIUS, 20, max_states=50)
    with pytest.raises(UserError, match="at least one"):
        sample_futures(CENTRE, RADIUS, 3, 0, np.random.default_rng(0))


def test_the_mean_position_is_in_pixels() -> None:
    states = MotionState(np.array([24, 48]), np.array([160, 0]), np.array([0, 3]))
    found = FutureDistribution(states, np.array([0.25, 0.75])).mean_position()
    assert found.tolist() == pytest.approx([0.25 * 1.5 + 0.75 * 3, 0.25 * 10])


def test_a_condition_keeps_the_states_that_came_true_and_the_odds_between_them() -> None:
    states = MotionState(np.array([16, 32, 48]), np.array([1, 2, 3]), np.array([0, 3, 5]))
    found = FutureDistribution(states, np.array([0.3, 0.6, 0.1])).given(np.array([True, False, True]))
    assert found.probability.tolist() == pytest.approx([0.75, 0.25])
    assert [part.tolist() for part in found.states] == [[16, 48], [1, 3], [0, 5]]


def test_as_many_states_as_are_allowed_are_held() -> None:
    assert len(enumerate_futures(CENTRE, RADIUS, 1, max_states=8).probability) == 8
    with pytest.raises(UserError, match="More than 7 states can be reached 1 frames ahead"):
        enumerate_futures(CENTRE, RADIUS, 1, max_states=7)


@pytest.mark.parametrize(("x", "y"), [(256, 200), (64, 448), (448, 64), (448, 448)])
def test_states_are_those_that_sampling_reaches_each_once_at_the_walls_too(x: int, y: int) -> None:
    start = MotionState(np.asarray(x), np.asarray(y), np.asarray(1))
    exact = enumerate_futures(start, RADIUS, 3)
    listed = list(zip(*map(np.ndarray.tolist, exact.states), strict=True))
    assert len(set(listed)) == len(listed)
    sampled = sample_futures(start, RADIUS, 3, 30_000, np.random.default_rng(0)).states
    reached, counts = np.unique(np.stack(sampled), axis=1, return_counts=True)
    assert set(map(tuple, reached.T.tolist())) <= set(listed)
    for state, count in zip(map(tuple, reached.T.tolist()), counts, strict=True):
        assert count / 30_000 == pytest.approx(exact.probability[listed.index(state)], abs=4 * 0.5 / 30_000**0.5)


def test_the_error_of_a_sampled_probability_is_at_most_that_of_a_coin() -> None:
    assert sample_futures(CENTRE, RADIUS, 1, 1, np.random.default_rng(0)).standard_error == 0.5
    assert sample_futures(CENTRE, RADIUS, 1, 400, np.random.default_rng(0)).standard_error == 0.025
