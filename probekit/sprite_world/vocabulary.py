"""Every name and number that defines the sprite world."""

from typing import Final

Rgb = tuple[int, int, int]

FRAME_SIZE: Final = 32
"""Height and width of a frame, in pixels."""

FPS: Final = 16

COLORS: Final[dict[str, Rgb]] = {
    "red": (230, 25, 30),
    "green": (30, 205, 60),
    "blue": (30, 90, 250),
    "yellow": (245, 240, 30),
    "purple": (130, 45, 225),
    "cyan": (40, 225, 225),
    "orange": (255, 135, 0),
    "pink": (255, 75, 180),
}
"""The colours that captions name, in their plain tone."""

TONES: Final[dict[str, float]] = {"deep": -0.3, "plain": 0.0, "pale": 0.35}
"""How far each tone of a colour lies on the way to white, or below zero to black.

No caption states a sprite's tone. It is drawn once and kept for the whole video, so who continues a video has to
remember it. Any two of the 24 shades are at least 60 apart in RGB, and each is 50 from all that lies behind sprites.
"""

SHAPES: Final[tuple[str, ...]] = ("circle", "square", "triangle", "cross")

SIZES: Final[dict[str, float]] = {"small": 5.0, "large": 5.9}
"""Radius in pixels."""

BACKGROUNDS: Final[dict[str, tuple[Rgb, Rgb]]] = {
    "night": ((30, 30, 58), (42, 43, 80)),
    "meadow": ((30, 56, 36), (40, 72, 44)),
    "desert": ((96, 74, 48), (112, 88, 62)),
    "stone": ((70, 70, 78), (88, 88, 96)),
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

DIRECTIONS: Final[tuple[tuple[int, int], ...]] = (
    (1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1),
)  # fmt: skip
"""Signs of (x, y) motion, clockwise on the screen from 'to the right'."""

HEADINGS: Final[tuple[str, ...]] = (
    "east", "southeast", "south", "southwest", "west", "northwest", "north", "northeast",
)  # fmt: skip
"""The names of `DIRECTIONS`, north being up the screen."""
