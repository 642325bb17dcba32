"""What a scene is made of: its sprites, its background and its pillar."""

from typing import NamedTuple

import numpy as np

from probekit.sprite_world.vocabulary import BACKGROUNDS, COLORS, PILLAR_COLUMNS, SHAPES, SIZES


class Sprite(NamedTuple):
    """A sprite's identity, constant for the whole video."""

    color: str
    shape: str
    size: str

    @property
    def radius(self) -> float:
        """Radius in pixels."""
        return SIZES[self.size]


class Scene(NamedTuple):
    """Everything that stays constant during a video.

    Attributes:
        sprites: one or two sprites of different colours; the first is drawn in front.
        background: a key of `BACKGROUNDS`.
        pillar_x: left-most column of the pillar, drawn over the sprites; None without a pillar.
    """

    sprites: tuple[Sprite, ...]
    background: str
    pillar_x: int | None


def draw_sprite(rng: np.random.Generator, colors: tuple[str, ...]) -> Sprite:
    """Draw an identity uniformly, the colour from `colors`."""
    return Sprite(
        color=colors[int(rng.integers(len(colors)))],
        shape=SHAPES[int(rng.integers(len(SHAPES)))],
        size=tuple(SIZES)[int(rng.integers(len(SIZES)))],
    )


def draw_scene(rng: np.random.Generator) -> Scene:
    """Draw a scene: one or two sprites, a background and, every second time, a pillar."""
    first = draw_sprite(rng, tuple(COLORS))
    sprites: tuple[Sprite, ...] = (first,)
    if rng.random() < 0.5:
        others = tuple(name for name in COLORS if name != first.color)
        sprites = (first, draw_sprite(rng, others))
    background = tuple(BACKGROUNDS)[int(rng.integers(len(BACKGROUNDS)))]
    pillar_x = PILLAR_COLUMNS[int(rng.integers(len(PILLAR_COLUMNS)))] if rng.random() < 0.5 else None
    return Scene(sprites, background, pillar_x)
