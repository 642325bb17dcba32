"""The distribution of a sprite's futures: exact by enumeration, or sampled with a stated error.

Sprites do not interact, so the futures of a scene are independent over its sprites, given their present states.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.sprite_world.dynamics import MotionState, advance, turn
from probekit.sprite_world.factors import TRAINED_WORLD, WorldFactors
from probekit.sprite_world.vocabulary import DIRECTIONS, FRAME_SIZE, UNITS_PER_PIXEL

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

    def given(self, keep: NDArray[np.bool_]) -> "FutureDistribution":
        """The distribution under the condition that one of some states came true, which must be possible (Bayes)."""
        kept = self.probability[keep]
        return FutureDistribution(MotionState(*(part[keep] for part in self.states)), kept / kept.sum())


class SampledFutures(NamedTuple):
    """States of n independent continuations, (n,) each.

    Attributes:
        standard_error: largest standard error that the probability of any event estimated from them can have,
            0.5 / sqrt(n).
    """

    states: MotionState
    standard_error: float


def enumerate_futures(
    state: MotionState,
    radius: float,
    horizon: int,
    factors: WorldFactors = TRAINED_WORLD,
    max_states: int = MAX_STATES,
) -> FutureDistribution:
    """Distribution of the state `horizon` frames ahead, exact to rounding.

    Args:
        state: one present state (arrays of shape ()).
        radius: radius of the sprite, in pixels.
        horizon: frames ahead; 0 gives the present.
        factors: speed and turns of the world.
        max_states: refuse to hold more.

    Raises:
        UserError: if more states can be reached than `max_states`.
    """
    return frames_ahead(certain(state), radius, horizon, factors, max_states)


def certain(state: MotionState) -> FutureDistribution:
    """The distribution of one known state (arrays of shape ())."""
    return FutureDistribution(MotionState(*(np.atleast_1d(part) for part in state)), np.ones(1))


def frames_ahead(
    present: FutureDistribution,
    radius: float,
    horizon: int,
    factors: WorldFactors = TRAINED_WORLD,
    max_states: int = MAX_STATES,
) -> FutureDistribution:
    """Distribution of the state `horizon` frames after a present that is itself uncertain; arguments as above.

    Raises:
        UserError: if more states can be reached than `max_states`.
    """
    found = present
    for _ in range(horizon):
        found = next_frame(found, radius, factors)
        if len(found.probability) > max_states:
            raise UserError(
                f"More than {max_states} states can be reached {horizon} frames ahead.",
                "Use sample_futures, or a shorter horizon.",
            )
    return found


def next_frame(present: FutureDistribution, radius: float, factors: WorldFactors = TRAINED_WORLD) -> FutureDistribution:
    """Distribution one frame later.

    Every state moves on; then it keeps its direction with 1 - hazard, and takes each other one with hazard / 7.
    """
    n = len(DIRECTIONS)
    moved = advance(present.states, radius, factors.speed)
    places, inverse = np.unique(moved.x * _SIDE + moved.y, return_inverse=True)
    held = np.bincount(inverse * n + moved.direction, present.probability, len(places) * n).reshape(-1, n)
    other = factors.turn_hazard / (n - 1)
    turned = (1 - factors.turn_hazard - other) * held + other * held.sum(axis=1, keepdims=True)
    x, y = np.divmod(np.repeat(places, n), _SIDE)
    return FutureDistribution(MotionState(x, y, np.tile(np.arange(n), len(places))), turned.ravel())


def sample_futures(
    state: MotionState,
    radius: float,
    horizon: int,
    count: int,
    rng: np.random.Generator,
    factors: WorldFactors = TRAINED_WORLD,
) -> SampledFutures:
    """Run the dynamics `count` times from one present state; for horizons that are too far to enumerate.

    Raises:
        UserError: if `count` is not positive.
    """
    if count < 1:
        raise UserError(f"{count} continuations cannot be drawn.", "Ask for at least one.")
    states = MotionState(*(np.broadcast_to(part, (count,)) for part in state))
    for _ in range(horizon):
        states = turn(advance(states, radius, factors.speed), factors.turn_hazard, rng)
    return SampledFutures(states, 0.5 / float(np.sqrt(count)))
