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
    "night": ((30, 30, 58), (42, 43, 80)),
    "meadow": ((36, 68, 40), (48, 86, 50)),
    "desert": ((116, 92, 62), (134, 108, 76)),
    "stone": ((82, 82, 90), (100, 100, 108)),
}
"""The two tones of each background; `renderer.background_image` lays them out as a pattern."""

LIGHT_ACROSS: Final[Rgb] = (18, 0, -18)
LIGHT_DOWN: Final[Rgb] = (-10, 18, -10)
"""What the light adds to a background's tone at the right and at the bottom edge; the left and top edges lose as much.

Without it every field of a background looks like the next, and a transformer whose only positions are relative (RoPE,
as Wan) cannot tell where in the frame it is: sprites then have no place to be asked for.
"""

PILLAR_COLOR: Final[Rgb] = (175, 130, 140)
PILLAR_WIDTH: Final = 12
PILLAR_COLUMNS: Final[tuple[int, ...]] = (8, 10, 12)
"""Left-most column of the pillar. It is wider than the largest sprite, so a sprite can vanish behind it."""

UNITS_PER_PIXEL: Final = 16
"""Positions live on a lattice of 1/16 pixel, so that the state space is finite and futures can be enumerated."""

STARTS: Final[dict[str, tuple[int, int]]] = {
    "northwest": (6, 6), "north": (16, 6), "northeast": (26, 6),
    "west": (6, 16), "center": (16, 16), "east": (26, 16),
    "southwest": (6, 26), "south": (16, 26), "southeast": (26, 26),
}  # fmt: skip
"""Where a sprite can be in the first frame: its centre (x, y) in pixels."""

SPEEDS: Final[tuple[tuple[int, int], ...]] = ((4, 4),)
"""Lattice units per frame along an axis and, on diagonals, along each axis: 0.25 pixels, one pixel per latent frame."""

TURN_HAZARD: Final = 1.0 / 160.0
"""Probability that a sprite turns between two frames, independent of everything else (memoryless)."""

DIRECTIONS: Final[tuple[tuple[int, int], ...]] = (
    (1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1),
)  # fmt: skip
"""Signs of (x, y) motion, clockwise on the screen from 'to the right'."""

HEADINGS: Final[tuple[str, ...]] = (
    "east", "southeast", "south", "southwest", "west", "northwest", "north", "northeast",
)  # fmt: skip
"""The names of `DIRECTIONS`, north being up the screen."""
