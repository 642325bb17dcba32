"""Anti-aliased numpy renderer of the sprite world."""

import functools

import numpy as np
from numpy.typing import NDArray

from probekit.sprite_world.scene import Scene
from probekit.sprite_world.vocabulary import (
    BACKGROUNDS,
    COLORS,
    FRAME_SIZE,
    LIGHT_ACROSS,
    LIGHT_DOWN,
    PILLAR_COLOR,
    PILLAR_WIDTH,
    TONES,
)

Float = NDArray[np.float32]


def signed_distance(shape: str, radius: float, dx: Float, dy: Float) -> Float:
    """Distance in pixels from the outline of a shape, negative inside; y points down the screen.

    Raises:
        KeyError: for a shape that the world does not have.
    """
    outlines = {"circle": _circle, "square": _square, "triangle": _triangle, "cross": _cross}
    distance: Float = outlines[shape](radius, dx, dy)
    return distance


def _circle(radius: float, dx: Float, dy: Float) -> Float:
    distance: Float = np.hypot(dx, dy) - np.float32(radius)
    return distance


def _square(radius: float, dx: Float, dy: Float) -> Float:
    return np.maximum(np.abs(dx), np.abs(dy)) - np.float32(0.9 * radius)


def _triangle(radius: float, dx: Float, dy: Float) -> Float:
    """An upright triangle with its tip at -radius and its base of 2 radii at +0.8 radius."""
    norm = float(np.hypot(1.8, 1.0))
    side = (np.abs(dx) * np.float32(1.8 / norm)) - (dy + np.float32(radius)) * np.float32(1.0 / norm)
    distance: Float = np.maximum(side, dy - np.float32(0.8 * radius))
    return distance


def _cross(radius: float, dx: Float, dy: Float) -> Float:
    ax, ay, arm = np.abs(dx), np.abs(dy), np.float32(0.36 * radius)
    long = np.float32(radius)
    return np.minimum(np.maximum(ax - long, ay - arm), np.maximum(ax - arm, ay - long))


def coverage(shape: str, radius: float, cx: NDArray[np.floating], cy: NDArray[np.floating]) -> Float:
    """Share of each pixel that a shape covers.

    Args:
        shape: a name of `SHAPES`.
        radius: radius in pixels.
        cx: centres along x in pixels, any leading shape (...,).
        cy: centres along y.

    Returns:
        (..., 32, 32) in [0, 1]; anti-aliased over one pixel at the outline.
    """
    pixel = np.arange(FRAME_SIZE, dtype=np.float32) + np.float32(0.5)
    dx = pixel - np.asarray(cx, np.float32)[..., None, None]
    dy = pixel[:, None] - np.asarray(cy, np.float32)[..., None, None]
    dx, dy = np.broadcast_arrays(dx, dy)
    covered: Float = np.clip(np.float32(0.5) - signed_distance(shape, radius, dx, dy), 0, 1)
    return covered


@functools.cache
def shade(color: str, tone: str) -> Float:
    """RGB (3,) in [0, 255] of a colour of `COLORS` in a tone of `TONES`."""
    plain, way = np.array(COLORS[color], np.float32), np.float32(TONES[tone])
    return plain + way * (np.float32(255) - plain if way > 0 else plain)


@functools.cache
def background_image(name: str) -> NDArray[np.uint8]:
    """The static picture of a background, (32, 32, 3) uint8: bands, stripes, dunes or tiles eight pixels wide.

    The light changes from field to field across and down the frame, so that no field looks like another.
    """
    dark, light = (np.array(tone, np.float32) for tone in BACKGROUNDS[name])
    y, x = np.mgrid[:FRAME_SIZE, :FRAME_SIZE] // 8
    weight = {
        "night": y / 3.0,
        "meadow": (x % 2).astype(np.float64),
        "desert": (y % 2).astype(np.float64),
        "stone": ((x + y) % 2).astype(np.float64),
    }[name]
    image = dark + (light - dark) * weight[..., None].astype(np.float32)
    across, down = (place[..., None].astype(np.float32) / 1.5 - 1 for place in (x, y))
    image = image + across * np.array(LIGHT_ACROSS, np.float32) + down * np.array(LIGHT_DOWN, np.float32)
    pixels: NDArray[np.uint8] = np.rint(np.clip(image, 0, 255)).astype(np.uint8)
    return pixels


def sprite_coverages(scene: Scene, positions: NDArray[np.floating]) -> Float:
    """Coverage of each sprite before anything hides it: (frames, sprites, 32, 32) in [0, 1]."""
    layers = [
        coverage(sprite.shape, sprite.radius, positions[:, i, 0], positions[:, i, 1])
        for i, sprite in enumerate(scene.sprites)
    ]
    return np.stack(layers, axis=1)


def pillar_mask(pillar_x: int | None) -> NDArray[np.bool_]:
    """Which pixels the pillar hides, (32, 32)."""
    mask = np.zeros((FRAME_SIZE, FRAME_SIZE), bool)
    if pillar_x is not None:
        mask[:, pillar_x : pillar_x + PILLAR_WIDTH] = True
    return mask


def visible_coverages(scene: Scene, layers: Float) -> Float:
    """Coverage that can be seen, after the sprites in front and the pillar: same shape as `layers`."""
    seen = layers * ~pillar_mask(scene.pillar_x)
    in_front = np.zeros_like(layers[:, 0])
    result = np.empty_like(layers)
    for i in range(layers.shape[1]):
        result[:, i] = seen[:, i] * (1 - in_front)
        in_front = 1 - (1 - in_front) * (1 - layers[:, i])
    return result


def render(scene: Scene, positions: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Draw a video.

    Args:
        scene: identities, background and pillar.
        positions: (frames, sprites, 2) centres (x, y) in pixels.

    Returns:
        (frames, 32, 32, 3) uint8 RGB.
    """
    layers = sprite_coverages(scene, positions)
    canvas = np.broadcast_to(background_image(scene.background), (*layers[:, 0].shape, 3)).astype(np.float32)
    for i in reversed(range(len(scene.sprites))):
        color = shade(scene.sprites[i].color, scene.tones[i])
        canvas += layers[:, i, ..., None] * (color - canvas)
    canvas[:, pillar_mask(scene.pillar_x)] = PILLAR_COLOR
    return np.rint(canvas).astype(np.uint8)
