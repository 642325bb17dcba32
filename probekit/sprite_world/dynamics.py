"""How sprites move: straight, bouncing off the walls, turning at a constant hazard.

A sprite's full state is (x, y, direction) on a lattice, so motion is a finite Markov chain: `futures` enumerates its
distribution exactly with the same two functions that the simulator uses, `advance` and `turn`.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.sprite_world.factors import TRAINED_WORLD, WorldFactors
from probekit.sprite_world.renderer import sprite_coverages, visible_coverages
from probekit.sprite_world.scene import Scene, Sprite
from probekit.sprite_world.vocabulary import (
    DIRECTIONS,
    FRAME_SIZE,
    HEADINGS,
    STARTS,
    UNITS_PER_PIXEL,
)

Int = NDArray[np.int64]

_SIGNS = np.array(DIRECTIONS)
_INDEX_OF_SIGNS = {signs: index for index, signs in enumerate(DIRECTIONS)}
_FLIP_X = np.array([_INDEX_OF_SIGNS[(-x, y)] for x, y in DIRECTIONS])
_FLIP_Y = np.array([_INDEX_OF_SIGNS[(x, -y)] for x, y in DIRECTIONS])
_MINIMUM_FIRST_VISIBILITY: Final = 0.8


class MotionState(NamedTuple):
    """Markov state of one or many sprites; arrays of one common shape.

    Attributes:
        x: centre along x in lattice units of 1/16 pixel.
        y: centre along y.
        direction: index into `DIRECTIONS`.
    """

    x: Int
    y: Int
    direction: Int


class Trajectory(NamedTuple):
    """Positions and velocities of a scene's sprites, float32 (frames, sprites, 2), in pixels and pixels per frame."""

    position: NDArray[np.float32]
    velocity: NDArray[np.float32]


def step_units(direction: Int, speed: int) -> tuple[Int, Int]:
    """Lattice units moved along x and y in one frame, at a speed in units per frame."""
    signs = _SIGNS[direction]
    return signs[..., 0] * speed, signs[..., 1] * speed


def _bounce(value: Int, low: int, high: int) -> tuple[Int, NDArray[np.bool_]]:
    outside = (value < low) | (value > high)
    reflected = np.where(value < low, 2 * low - value, np.where(value > high, 2 * high - value, value))
    return reflected, outside


def advance(state: MotionState, radius: float, speed: int = TRAINED_WORLD.speed) -> MotionState:
    """Move one frame, at a speed in lattice units, and reflect at the walls: the deterministic half of the dynamics."""
    low = int(np.ceil(radius * UNITS_PER_PIXEL))
    high = FRAME_SIZE * UNITS_PER_PIXEL - low
    dx, dy = step_units(state.direction, speed)
    x, flipped_x = _bounce(state.x + dx, low, high)
    y, flipped_y = _bounce(state.y + dy, low, high)
    direction = np.where(flipped_x, _FLIP_X[state.direction], state.direction)
    return MotionState(x, y, np.where(flipped_y, _FLIP_Y[direction], direction))


def turn(state: MotionState, hazard: float, rng: np.random.Generator) -> MotionState:
    """Turn, with probability `hazard`, into one of the seven other directions, each equally likely."""
    turns = rng.random(state.direction.shape) < hazard
    offset = rng.integers(1, len(DIRECTIONS), state.direction.shape)
    return state._replace(direction=np.where(turns, (state.direction + offset) % len(DIRECTIONS), state.direction))


def walk(
    state: MotionState, radius: float, n_frames: int, rng: np.random.Generator, factors: WorldFactors = TRAINED_WORLD
) -> list[MotionState]:
    """The states of frames 0 … n_frames-1, beginning with `state` itself."""
    states = [state]
    for _ in range(n_frames - 1):
        states.append(turn(advance(states[-1], radius, factors.speed), factors.turn_hazard, rng))
    return states


def start_state(sprite: Sprite) -> MotionState:
    """The state in the first frame: the start and heading that the sprite's caption states."""
    x, y = (np.asarray(pixel * UNITS_PER_PIXEL) for pixel in STARTS[sprite.start])
    return MotionState(x, y, np.asarray(HEADINGS.index(sprite.heading)))


def path_without_turns(sprite: Sprite, n_frames: int, speed: int = TRAINED_WORLD.speed) -> NDArray[np.float64]:
    """Where a sprite is in its first frames if it does not turn: (n_frames, 2) centres (x, y) in pixels."""
    states = [start_state(sprite)]
    for _ in range(n_frames - 1):
        states.append(advance(states[-1], sprite.radius, speed))
    return np.array([(state.x, state.y) for state in states]) / UNITS_PER_PIXEL


def seen_at_start(scene: Scene) -> bool:
    """Whether at least 80 % of every sprite is neither hidden nor overlapped in the first frame."""
    position = np.array([[STARTS[sprite.start] for sprite in scene.sprites]], np.float32)
    return bool(visible_fractions(scene, position).min() >= _MINIMUM_FIRST_VISIBILITY)


def visible_fractions(scene: Scene, position: NDArray[np.floating]) -> NDArray[np.float32]:
    """Share of each sprite's area that can be seen, (frames, sprites) in [0, 1]."""
    layers = sprite_coverages(scene, position)
    fractions: NDArray[np.float32] = visible_coverages(scene, layers).sum((-1, -2)) / layers.sum((-1, -2))
    return fractions


def simulate(
    scene: Scene, n_frames: int, rng: np.random.Generator, factors: WorldFactors = TRAINED_WORLD
) -> Trajectory:
    """Run the dynamics of every sprite from its start; sprites do not interact.

    Each sprite walks on a generator of its own, so a longer simulation begins with the shorter one.
    """
    paths, velocities = [], []
    for sprite in scene.sprites:
        own_rng = np.random.default_rng(int(rng.integers(2**63)))
        states = walk(start_state(sprite), sprite.radius, n_frames, own_rng, factors)
        paths.append([(s.x, s.y) for s in states])
        velocities.append(np.stack(step_units(np.array([s.direction for s in states]), factors.speed), axis=-1))
    position = np.array(paths, np.float32).swapaxes(0, 1) / np.float32(UNITS_PER_PIXEL)
    velocity = np.array(velocities, np.float32).swapaxes(0, 1) / np.float32(UNITS_PER_PIXEL)
    return Trajectory(position, velocity)
