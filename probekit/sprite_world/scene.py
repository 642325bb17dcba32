"""What a scene is made of: its sprites with their starts, its background and its pillar."""

from typing import NamedTuple

import numpy as np

from probekit.sprite_world.factors import TRAINED_WORLD, WorldFactors
from probekit.sprite_world.vocabulary import (
    BACKGROUNDS,
    COLORS,
    HEADINGS,
    PILLAR_COLUMNS,
    SHAPES,
    SIZES,
    STARTS,
    TONES,
)


class Sprite(NamedTuple):
    """What a caption says of a sprite: its identity, constant for the whole video, and how it begins to move.

    Attributes:
        color: a key of `COLORS`.
        shape: a name of `SHAPES`.
        size: a key of `SIZES`.
        start: a key of `STARTS`, its place in the first frame.
        heading: a name of `HEADINGS`, its direction in the first frame.
    """

    color: str
    shape: str
    size: str
    start: str = "center"
    heading: str = "east"

    @property
    def radius(self) -> float:
        """Radius in pixels."""
        return SIZES[self.size]

    @property
    def identity(self) -> tuple[str, str, str]:
        """Colour, shape and size."""
        return self.color, self.shape, self.size


class Scene(NamedTuple):
    """Everything that stays constant during a video.

    Attributes:
        sprites: sprites of different colours; the first is drawn in front.
        background: a key of `BACKGROUNDS`.
        pillar_x: left-most column of the pillar, drawn over the sprites; None without a pillar.
        tones: keys of `TONES`, one for each sprite, which no caption states.
    """

    sprites: tuple[Sprite, ...]
    background: str
    pillar_x: int | None
    tones: tuple[str, ...]


def draw_sprite(rng: np.random.Generator, colors: tuple[str, ...]) -> Sprite:
    """Draw identity, start and heading uniformly, the colour from `colors`."""
    identity = Sprite(
        color=colors[int(rng.integers(len(colors)))],
        shape=SHAPES[int(rng.integers(len(SHAPES)))],
        size=tuple(SIZES)[int(rng.integers(len(SIZES)))],
    )
    return place_sprite(identity, rng)


def place_sprite(sprite: Sprite, rng: np.random.Generator) -> Sprite:
    """The same identity with a new start and heading, drawn uniformly."""
    start = tuple(STARTS)[int(rng.integers(len(STARTS)))]
    return sprite._replace(start=start, heading=HEADINGS[int(rng.integers(len(HEADINGS)))])


def draw_tones(count: int, rng: np.random.Generator) -> tuple[str, ...]:
    """Draw the tone of each of some sprites, uniformly."""
    return tuple(tuple(TONES)[int(index)] for index in rng.integers(len(TONES), size=count))


def draw_scene(rng: np.random.Generator, factors: WorldFactors = TRAINED_WORLD) -> Scene:
    """Draw a scene: sprites, a background and, with `factors.pillar_share`, a pillar.

    Nothing keeps a sprite from being hidden in the first frame; `placement.draw_split_scene` places such sprites again.
    """
    sprites: tuple[Sprite, ...] = ()
    for _ in range(factors.sprites[int(rng.integers(len(factors.sprites)))]):
        taken = {sprite.color for sprite in sprites}
        sprites += (draw_sprite(rng, tuple(name for name in COLORS if name not in taken)),)
    background = tuple(BACKGROUNDS)[int(rng.integers(len(BACKGROUNDS)))]
    has_pillar = rng.random() < factors.pillar_share
    pillar_x = PILLAR_COLUMNS[int(rng.integers(len(PILLAR_COLUMNS)))] if has_pillar else None
    return Scene(sprites, background, pillar_x, draw_tones(len(sprites), rng))
