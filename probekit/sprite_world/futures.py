"""The distribution of a sprite's futures: exact by enumeration, or sampled with a stated error.

Sprites do not interact, so the futures of a scene are independent over its sprites, given their present states.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.sprite_world.dynamics import MotionState, advance, turn
from probekit.sprite_world.vocabulary import DIRECTIONS, FRAME_SIZE, TURN_HAZARD, UNITS_PER_PIXEL

MAX_STATES: Final = 2_000_000
_SIDE: Final = FRAME_SIZE * UNITS_PER_PIXEL + 1


class FutureDistribution(NamedTuple):
    """Probability of every state that can be reached, (n,) each; the probabilities sum to 1."""

    states: MotionState
    probability: NDArray[np.float64]

    def mean_position(self) -> NDArray[np.float64]:
        """Expected centre (x, y) in pixels."""
        positions = np.stack([self.states.x, self.states.y]) / UNITS_PER_PIXEL
        mean: NDArray[np.float64] = positions @ self.probability
        return mean


class SampledFutures(NamedTuple):
    """States of n independent continuations, (n,) each.

    Attributes:
        standard_error: largest standard error that the probability of any event estimated from them can have,
            0.5 / sqrt(n).
    """

    states: MotionState
    standard_error: float


def enumerate_futures(
    state: MotionState, radius: float, speed: int, horizon: int, max_states: int = MAX_STATES
) -> FutureDistribution:
    """Distribution of the state `horizon` frames ahead, exact to rounding.

    Args:
        state: one present state (arrays of shape ()).
        radius: radius of the sprite, in pixels.
        speed: index into `SPEEDS`.
        horizon: frames ahead; 0 gives the present.
        max_states: refuse to hold more.

    Raises:
        UserError: if more states can be reached than `max_states`.
    """
    states = MotionState(*(np.atleast_1d(part) for part in state))
    probability = np.ones(1)
    for _ in range(horizon):
        states, probability = _merge(*_turn_branches(advance(states, radius, speed), probability))
        if len(probability) > max_states:
            raise UserError(
                f"More than {max_states} states can be reached {horizon} frames ahead.",
                "Use sample_futures, or a shorter horizon.",
            )
    return FutureDistribution(states, probability)


def _turn_branches(states: MotionState, probability: NDArray[np.float64]) -> tuple[MotionState, NDArray[np.float64]]:
    """Every state continues in all directions: its own with 1 - hazard, each other with hazard / 7."""
    n = len(DIRECTIONS)
    offsets = np.arange(n)[:, None]
    weights = np.where(offsets == 0, 1 - TURN_HAZARD, TURN_HAZARD / (n - 1))
    directions = (states.direction + offsets) % n
    branched = MotionState(np.tile(states.x, n), np.tile(states.y, n), directions.ravel())
    return branched, (weights * probability).ravel()


def _merge(states: MotionState, probability: NDArray[np.float64]) -> tuple[MotionState, NDArray[np.float64]]:
    """Add up the probabilities of equal states."""
    code = (states.x * _SIDE + states.y) * len(DIRECTIONS) + states.direction
    unique, inverse = np.unique(code, return_inverse=True)
    place, direction = np.divmod(unique, len(DIRECTIONS))
    x, y = np.divmod(place, _SIDE)
    total: NDArray[np.float64] = np.bincount(inverse, probability).astype(np.float64)
    return MotionState(x, y, direction), total


def sample_futures(
    state: MotionState, radius: float, speed: int, horizon: int, count: int, rng: np.random.Generator
) -> SampledFutures:
    """Run the dynamics `count` times from one present state; for horizons that are too far to enumerate.

    Raises:
        UserError: if `count` is not positive.
    """
    if count < 1:
        raise UserError(f"{count} continuations cannot be drawn.", "Ask for at least one.")
    states = MotionState(*(np.broadcast_to(part, (count,)) for part in state))
    for _ in range(horizon):
        states = turn(advance(states, radius, speed), rng)
    return SampledFutures(states, 0.5 / float(np.sqrt(count)))
