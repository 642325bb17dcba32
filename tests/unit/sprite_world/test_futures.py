"""Futures: enumeration against the hazard's definition and against sampling."""

import numpy as np
import pytest

from probekit.errors import UserError
from probekit.sprite_world.dynamics import MotionState, advance
from probekit.sprite_world.futures import enumerate_futures, sample_futures
from probekit.sprite_world.vocabulary import DIRECTIONS, TURN_HAZARD

CENTRE = MotionState(np.asarray(256), np.asarray(200), np.asarray(0))
RADIUS = 4.0


def test_the_present_is_certain() -> None:
    future = enumerate_futures(CENTRE, RADIUS, 0, 0)
    assert future.probability.tolist() == [1.0]
    assert future.states.x.tolist() == [256]


def test_one_step_has_eight_outcomes_with_the_hazard_spread_evenly() -> None:
    future = enumerate_futures(CENTRE, RADIUS, 0, 1)
    moved = advance(CENTRE, RADIUS, 0)
    assert set(future.states.direction.tolist()) == set(range(len(DIRECTIONS)))
    assert set(future.states.x.tolist()) == {int(moved.x)}
    straight = future.states.direction == 0
    assert future.probability[straight] == pytest.approx(1 - TURN_HAZARD)
    np.testing.assert_allclose(future.probability[~straight], TURN_HAZARD / 7)


@pytest.mark.parametrize("horizon", [4, 12, 24])
def test_probabilities_sum_to_one(horizon: int) -> None:
    assert enumerate_futures(CENTRE, RADIUS, 0, horizon).probability.sum() == pytest.approx(1, abs=1e-12)


def test_two_steps_compose_to_one_longer_step() -> None:
    """Markov: the distribution after 3 frames is the mixture of one-frame distributions from the states after 2."""
    after_two = enumerate_futures(CENTRE, RADIUS, 0, 2)
    mean = np.zeros(2)
    for x, y, direction, weight in zip(*after_two.states, after_two.probability, strict=True):
        state = MotionState(np.asarray(x), np.asarray(y), np.asarray(direction))
        mean += weight * enumerate_futures(state, RADIUS, 0, 1).mean_position()
    np.testing.assert_allclose(mean, enumerate_futures(CENTRE, RADIUS, 0, 3).mean_position(), atol=1e-12)


def test_sampling_agrees_with_enumeration_within_its_stated_error() -> None:
    exact = enumerate_futures(CENTRE, RADIUS, 0, 36)
    sampled = sample_futures(CENTRE, RADIUS, 0, 36, 20_000, np.random.default_rng(0))
    for axis in (0, 1):
        for threshold in (200, 256, 300):
            probability = exact.probability[exact.states[axis] > threshold].sum()
            share = (sampled.states[axis] > threshold).mean()
            assert abs(share - probability) < 4 * sampled.standard_error


def test_too_many_states_and_too_few_samples_are_refused() -> None:
    with pytest.raises(UserError, match="sample_futures"):
        enumerate_futures(CENTRE, RADIUS, 0, 20, max_states=50)
    with pytest.raises(UserError, match="at least one"):
        sample_futures(CENTRE, RADIUS, 0, 3, 0, np.random.default_rng(0))
