"""Every name and number that defines the sprite world."""

from typing import Final

Rgb = tuple[int, int, int]

FRAME_SIZE: Final = 32
"""Height and width of a frame, in pixels."""

FPS: Final = 16

COLORS: Final[dict[str, Rgb]] = {
    "red": (225, 35, 40),
    "green": (40, 200, 70),
    "blue": (45, 80, 240),
    "yellow": (245, 230, 60),
    "purple": (165, 55, 215),
    "cyan": (60, 220, 230),
    "orange": (245, 135, 25),
    "white": (245, 245, 245),
}

SHAPES: Final[tuple[str, ...]] = ("circle", "square", "triangle", "cross")

SIZES: Final[dict[str, float]] = {"small": 4.0, "medium": 4.9, "large": 5.8}
"""Radius in pixels."""

BACKGROUNDS: Final[dict[str, tuple[Rgb, Rgb]]] = {
    "night": ((18, 20, 45), (30, 33, 66)),
    "meadow": ((36, 68, 40), (48, 86, 50)),
    "desert": ((116, 92, 62), (134, 108, 76)),
    "stone": ((82, 82, 90), (100, 100, 108)),
}
"""The two tones of each background; `renderer.background_image` lays them out as a pattern."""

PILLAR_COLOR: Final[Rgb] = (175, 130, 140)
PILLAR_WIDTH: Final = 12
PILLAR_COLUMNS: Final[tuple[int, ...]] = (6, 10, 14)
"""Left-most column of the pillar. It is wider than the largest sprite, so a sprite can vanish behind it."""

UNITS_PER_PIXEL: Final = 16
"""Positions live on a lattice of 1/16 pixel, so that the state space is finite and futures can be enumerated."""

SPEEDS: Final[tuple[tuple[int, int], ...]] = ((4, 3), (6, 4))
"""Lattice units a frame along an axis and, on diagonals, along each axis: 0.25 and 0.375 pixels a frame."""

TURN_HAZARD: Final = 1.0 / 80.0
"""Probability that a sprite turns between two frames, independent of everything else (memoryless)."""

DIRECTIONS: Final[tuple[tuple[int, int], ...]] = (
    (1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1),
)  # fmt: skip
"""Signs of (x, y) motion, clockwise on the screen from 'to the right'."""
