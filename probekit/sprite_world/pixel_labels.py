"""Which pixels of a sprite video belong to the background, the pillar and each colour."""

import functools
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from probekit.sprite_world.renderer import background_image, shade
from probekit.sprite_world.vocabulary import BACKGROUNDS, COLORS, FRAME_SIZE, PILLAR_COLOR, PILLAR_WIDTH, TONES

Float = NDArray[np.float32]
Int = NDArray[np.int64]
Bool = NDArray[np.bool_]

SHADES: Final = np.array([[shade(color, tone) for tone in TONES] for color in COLORS], np.float32)
"""(8, 3, 3): RGB of each colour in each tone."""

_PILLAR_TOLERANCE: Final = 70.0
_PILLAR_SHARE: Final = 0.5
_BACKGROUND_TOLERANCE: Final = 40.0
_LARGEST_OFFSET: Final = 30.0
_CORE_TOLERANCE: Final = 45.0
_PALETTE_PRIOR: Final = 4.0
_UNEXPLAINED: Final = 45.0
_OWNED: Final = 0.25


class Backdrop(NamedTuple):
    """What lies behind the sprites, frame by frame.

    Attributes:
        background: (T,) index into `BACKGROUNDS`.
        match: (T,) share in [0, 1] of the pixels outside the pillar that look like that background.
        pillar_x: (T,) left-most column of the pillar, -1 where there is none.
        pillar: (T, 32, 32) bool, the pixels of the pillar.
        image: (T, 32, 32, 3) float32, the background without the pillar.
    """

    background: Int
    match: Float
    pillar_x: Int
    pillar: Bool
    image: Float


@functools.cache
def _background_images() -> Float:
    return np.stack([background_image(name) for name in BACKGROUNDS]).astype(np.float32)


def _dot(a: Float, b: Float) -> Float:
    # Several times faster than (a * b).sum(-1) on an axis as short as RGB.
    return np.asarray(np.einsum("...c,...c->...", a, b))


def find_backdrop(frames: Float) -> Backdrop:
    """Recognise pillar and background of each frame (T, 32, 32, 3), RGB 0..255.

    The background is the known one at the least robust distance, shifted by the median difference from it.
    """
    pillar_x = find_pillar(frames)
    columns = np.arange(FRAME_SIZE)
    in_pillar = (columns >= pillar_x[:, None]) & (columns < pillar_x[:, None] + PILLAR_WIDTH) & (pillar_x >= 0)[:, None]
    pillar = np.broadcast_to(in_pillar[:, None], frames.shape[:3])
    images = _background_images()
    distance = np.stack([_dot(frames - image, frames - image) for image in images])
    weight = (~pillar).astype(np.float32)
    cost = (np.minimum(distance, (1.5 * _BACKGROUND_TOLERANCE) ** 2) * weight).sum((2, 3))
    background = cost.argmin(0)
    own_distance = distance[background, np.arange(len(frames))]
    match = ((own_distance < _BACKGROUND_TOLERANCE**2) * weight).sum((1, 2)) / weight.sum((1, 2))
    offset = np.median((frames - images[background]).reshape(len(frames), -1, 3), axis=1)
    image = images[background] + np.clip(offset, -_LARGEST_OFFSET, _LARGEST_OFFSET)[:, None, None]
    return Backdrop(background, match.astype(np.float32), pillar_x, pillar, image)


def find_pillar(frames: Float) -> Int:
    """Left-most column of the pillar in each frame (T, 32, 32, 3); -1 where no 12 columns are mostly of its colour."""
    difference = frames - np.array(PILLAR_COLOR, np.float32)
    distance = _dot(difference, difference)
    near = np.maximum(1 - distance / _PILLAR_TOLERANCE**2, 0)
    share = np.cumsum(np.pad(near.mean(1), ((0, 0), (1, 0))), axis=1)
    in_window = (share[:, PILLAR_WIDTH:] - share[:, :-PILLAR_WIDTH]) / PILLAR_WIDTH
    best = in_window.argmax(1)
    return np.where(in_window.max(1) >= _PILLAR_SHARE, best, -1)


def core_pixels(frames: Float, backdrop: Backdrop) -> Bool:
    """Pixels (T, 8, 3, 32, 32) that look like a colour in a tone, and less like what lies behind or before them."""
    palette = SHADES.reshape(-1, 3)
    from_black = np.moveaxis(np.square(palette).sum(-1) - 2 * frames @ palette.T, -1, 1)
    nearest = from_black.argmin(1)
    distance = from_black.min(1) + _dot(frames, frames)
    behind, pillar = frames - backdrop.image, frames - np.array(PILLAR_COLOR, np.float32)
    scenery = np.where(backdrop.pillar, _dot(pillar, pillar), _dot(behind, behind))
    near = distance < np.minimum(_CORE_TOLERANCE**2, scenery)
    core = (nearest[:, None] == np.arange(len(palette))[:, None, None]) & near[:, None]
    return np.asarray(core.reshape(len(frames), *SHADES.shape[:2], *frames.shape[1:3]))


class ObservedColors(NamedTuple):
    """How K colours look in each frame.

    Attributes:
        rgb: (T, K, 3) mean of the colour's core pixels, drawn towards its shade where there are few.
        tone: (T, K) index into `TONES` that most of them have: of those inside, where it has any.
    """

    rgb: Float
    tone: Int


def observed_colors(frames: Float, core: Bool, colors: Int) -> ObservedColors:
    """How some `colors` (K,) look in frames (T, 32, 32, 3) with these core pixels."""
    pixels = core[:, colors]
    inside = pixels & solid_pixels(np.asarray(pixels.any(2)))[:, :, None]
    tone = np.asarray((pixels.sum((-1, -2)) + FRAME_SIZE**2 * inside.sum((-1, -2))).argmax(-1))
    core_of = pixels.any(2).reshape(len(frames), len(colors), -1).astype(np.float32)
    total = core_of @ frames.reshape(len(frames), -1, 3) + _PALETTE_PRIOR * SHADES[colors, tone]
    rgb = np.asarray(total / (core_of.sum(-1, keepdims=True) + _PALETTE_PRIOR), np.float32)
    return ObservedColors(rgb, tone)


def solid_pixels(core: Bool) -> Bool:
    """Core pixels (..., 32, 32) that have four core neighbours. A blended edge has none."""
    padded = np.pad(core, [(0, 0)] * (core.ndim - 2) + [(1, 1), (1, 1)])
    across = padded[..., 1:-1, :-2] & padded[..., 1:-1, 2:]
    along = padded[..., :-2, 1:-1] & padded[..., 2:, 1:-1]
    return np.asarray(core & across & along)


class ColorLayers(NamedTuple):
    """Soft layers of K colours; both arrays (T, K, 32, 32).

    Attributes:
        alpha: coverage in [0, 1] that the pixel's colour implies, 0 where another colour explains the pixel better.
        valid: False where the colour could be hidden: by the pillar, or by another colour and its blended edge.
    """

    alpha: Float
    valid: Bool


def color_layers(frames: Float, backdrop: Backdrop, colors: Float) -> ColorLayers:
    """Explain each pixel as a mixture of the background and one of `colors`, RGB (T, K, 3).

    A pixel that no mixture explains counts little; it is the blended edge of two sprites if one of another colour is
    next to it, and a flaw of the sprite itself otherwise.
    """
    difference = frames - backdrop.image
    alphas, residuals = [], []
    for color in colors.swapaxes(0, 1):
        ray = color[:, None, None] - backdrop.image
        alpha = np.clip(_dot(difference, ray) / _dot(ray, ray), 0, 1)
        alphas.append(alpha)
        rest = difference - alpha[..., None] * ray
        residuals.append(_dot(rest, rest))
    residual, alpha = np.stack(residuals, axis=1), np.stack(alphas, axis=1)
    own = np.asarray(residual.argmin(1)[:, None] == np.arange(colors.shape[1])[:, None, None])
    doubt = np.asarray(np.sqrt(residual.min(1)) / np.float32(_UNEXPLAINED))
    seen = ~backdrop.pillar * np.clip(2 - doubt, 0, 1)
    alpha = np.where(own, alpha * seen[:, None], np.float32(0))
    other = np.asarray((alpha > _OWNED).any(1))[:, None] & ~own
    beside_other = binary_dilation(other & (doubt < 1)[:, None], np.ones((1, 1, 3, 3), bool))
    blended = beside_other & (doubt >= 1)[:, None]
    return ColorLayers(alpha, ~(backdrop.pillar[:, None] | other | blended))
