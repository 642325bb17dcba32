"""What is asked of the time after an occlusion, and the best answers that the true past allows. Torch-free.

The best readout is known because the world is: `sprite_world.posterior` has the exact distribution of the sprite's
state given the true frames so far. Under squared error the best readout is the posterior mean, under cross entropy
it is the posterior itself (Gibbs' inequality).
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.probing.targets import Kind
from probekit.sprite_world.dynamics import MotionState
from probekit.sprite_world.episodes import Episode
from probekit.sprite_world.futures import FutureDistribution, frames_ahead
from probekit.sprite_world.occlusions import OccludedEpisode, seen_at
from probekit.sprite_world.posterior import posteriors
from probekit.sprite_world.scene import Scene, Sprite
from probekit.sprite_world.vocabulary import (
    COLORS,
    DIRECTIONS,
    FRAME_SIZE,
    PILLAR_COLUMNS,
    SHAPES,
    SIZES,
    TONES,
    UNITS_PER_PIXEL,
)

FIELDS: Final = 4
"""Fields across and down, of eight pixels each, in which a place is one of 16 classes."""
_FIELD_UNITS: Final = FRAME_SIZE * UNITS_PER_PIXEL // FIELDS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class PlanningFact(NamedTuple):
    """One thing to know of the sprite.

    Attributes:
        name: name in tables.
        kind: ``vector`` or ``class``.
        classes: number of classes; 0 for numbers.
        stated: whether the caption states it.
        values: (n, P) of states (n,) of a scene.
    """

    name: str
    kind: Kind
    classes: int
    stated: bool
    values: Callable[[Scene, MotionState], Floats]

    def best(self, scene: Scene, future: FutureDistribution) -> "BestReadout":
        """The best readout of a distribution of states."""
        values, weight = self.values(scene, future.states), future.probability
        if self.kind == "class":
            probability: Floats = np.bincount(values[:, 0].astype(np.int64), weight, self.classes).astype(np.float64)
            return BestReadout(probability, entropy(probability))
        mean = weight @ values
        return BestReadout(mean, float((weight @ np.square(values - mean)).mean()))


class BestReadout(NamedTuple):
    """The best readout and the error that it is expected to have.

    Attributes:
        values: (P,) posterior mean, or (K,) posterior probabilities.
        floor: least expected error: variance per number, or entropy in nats.
    """

    values: Floats
    floor: float


def entropy(probability: Floats) -> float:
    """Entropy in nats."""
    some = probability[probability > 0]
    return float(-(some * np.log(some)).sum()) + 0.0


def _position(scene: Scene, states: MotionState) -> Floats:
    found: Floats = np.stack([states.x, states.y], axis=1) / (FRAME_SIZE * UNITS_PER_PIXEL)
    return found


def _place(scene: Scene, states: MotionState) -> Floats:
    column, row = (np.minimum(part // _FIELD_UNITS, FIELDS - 1) for part in (states.x, states.y))
    found: Floats = (row * FIELDS + column)[:, None].astype(np.float64)
    return found


def _direction(scene: Scene, states: MotionState) -> Floats:
    return states.direction[:, None].astype(np.float64)


def _of_scene(index: Callable[[Scene], int]) -> Callable[[Scene, MotionState], Floats]:
    """A fact that no motion changes."""
    return lambda scene, states: np.full((len(states.x), 1), float(index(scene)))


def _of_sprite(index: Callable[[Sprite], int]) -> Callable[[Scene, MotionState], Floats]:
    return _of_scene(lambda scene: index(scene.sprites[0]))


def _pillar(scene: Scene) -> int:
    assert scene.pillar_x is not None
    return PILLAR_COLUMNS.index(scene.pillar_x)


FACTS: Final = (
    PlanningFact("position", "vector", 0, False, _position),
    PlanningFact("place", "class", FIELDS**2, False, _place),
    PlanningFact("direction", "class", len(DIRECTIONS), False, _direction),
    PlanningFact("pillar", "class", len(PILLAR_COLUMNS), False, _of_scene(_pillar)),
    PlanningFact("sprite-color", "class", len(COLORS), True, _of_sprite(lambda one: tuple(COLORS).index(one.color))),
    PlanningFact("sprite-shape", "class", len(SHAPES), True, _of_sprite(lambda one: SHAPES.index(one.shape))),
    PlanningFact("sprite-size", "class", len(SIZES), True, _of_sprite(lambda one: tuple(SIZES).index(one.size))),
    PlanningFact("sprite-tone", "class", len(TONES), False, _of_scene(lambda one: tuple(TONES).index(one.tones[0]))),
)
"""Where the sprite is, in frames; in which of 16 fields; where it heads; the pillar's column; and who it is.

The caption states who the sprite is, and where it begins. It states neither its turns, so neither position nor
direction later, nor the column of the pillar, nor the sprite's tone: what was seen of it must be remembered behind the
pillar. Identity, tone and pillar are constant and seen in the first frame, so the best readout knows them: 0 nats.
"""


def facts_under(captions_of_another: bool) -> tuple[PlanningFact, ...]:
    """The facts; where captions are of another sprite, they state nothing of this one."""
    return tuple(fact._replace(stated=fact.stated and not captions_of_another) for fact in FACTS)


def true_states(episode: Episode, frames: Ints) -> MotionState:
    """The sprite's own states in some frames, (n,)."""
    position, velocity = (part[frames, 0] for part in (episode.labels.position, episode.labels.velocity))
    x, y = np.rint(position.T * UNITS_PER_PIXEL).astype(np.int64)
    signs = np.sign(velocity).astype(np.int64)
    return MotionState(x, y, np.array([DIRECTIONS.index((int(one), int(other))) for one, other in signs]))


def futures_after(
    found: OccludedEpisode, horizons: Sequence[int], ends: Ints
) -> Iterator[tuple[int, int, FutureDistribution]]:
    """What a state in the occlusion may know: (chunk, horizon, distribution of the sprite's state).

    One for each chunk at whose end the sprite is hidden and each horizon after which it is in view. The distribution is
    that of the last frame of the later chunk, given all true frames up to the end of the earlier one, and given that
    the sprite is in view again. Decoders know the second too: they are fitted to such rows alone.
    """
    scene, last = found.episode.scene, len(ends) - 1
    chunks = [chunk for chunk in np.flatnonzero(found.hidden) if chunk + min(horizons) <= last]
    if not chunks:
        return
    present = dict(enumerate(posteriors(scene, found.episode.frames[: ends[chunks[-1]] + 1])))
    for chunk in chunks:
        wanted = sorted({0, *(one for one in horizons if chunk + one <= last)})
        future = present[ends[chunk]]
        for before, horizon in pairwise(wanted):
            frames = int(ends[chunk + horizon] - ends[chunk + before])
            future = frames_ahead(future, scene.sprites[0].radius, frames)
            if found.seen[chunk + horizon]:
                positions = np.stack([future.states.x, future.states.y], axis=1) / UNITS_PER_PIXEL
                yield int(chunk), horizon, future.given(seen_at(scene, positions))
