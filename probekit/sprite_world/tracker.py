"""Reads the state of a sprite video back from its pixels: frame by frame, without captions or network weights.

Background and pillar are recognised against the known ones. Pixels that look like a colour in one of its tones say
which colours the video holds. Every colour's soft layer is then explained by one of the 8 templates (4 shapes x 2
sizes). Shape, size and tone are decided afresh in each frame, because changes of identity are what scorers measure.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.sprite_world.pixel_labels import (
    Backdrop,
    color_layers,
    core_pixels,
    find_backdrop,
    observed_colors,
    solid_pixels,
)
from probekit.sprite_world.template_fit import PlacedTemplates, place_best_template
from probekit.sprite_world.vocabulary import BACKGROUNDS, COLORS, FRAME_SIZE

Float = NDArray[np.float32]
Int = NDArray[np.int64]
Bool = NDArray[np.bool_]

_SEEN_CORE: Final = 10
"""Core pixels, one of them inside, that a colour must have in some frames to be a sprite and not an edge of two."""
_SEEN_FRAMES: Final = 3
_VISIBLE_AREA: Final = 3.0
_VISIBLE_CORE: Final = 3
_PRESENT_SHARE: Final = 0.1


class SpriteTrack(NamedTuple):
    """One colour over the T frames of a video.

    Attributes:
        color: a key of `COLORS`.
        visible: (T,) whether the colour is there at all.
        shape: (T,) index into `SHAPES`, -1 where not visible.
        size: (T,) index into the names of `SIZES`, -1 where not visible.
        tone: (T,) index into the names of `TONES`, -1 where not visible.
        x: (T,) centre in pixels, NaN where not visible.
        y: (T,) centre in pixels, NaN where not visible.
        visible_fraction: (T,) share in [0, 1] of the fitted sprite that neither the pillar nor another sprite hides.
        fit: (T,) share in [0, 1] of the layer's energy that the fitted template explains.
        confidence: (T,) in [0, 1], fit x posterior probability of shape and size among the 8 templates.
    """

    color: str
    visible: Bool
    shape: Int
    size: Int
    tone: Int
    x: Float
    y: Float
    visible_fraction: Float
    fit: Float
    confidence: Float


class TrackedVideo(NamedTuple):
    """What the tracker read from a video.

    Attributes:
        background: the key of `BACKGROUNDS` that most frames show.
        background_confidence: mean share in [0, 1] of the pixels outside the pillar that look like `background`.
        pillar_x: left-most column of the pillar in the median frame that has one; None if most frames have none.
        frame_background: (T,) index into the names of `BACKGROUNDS`.
        frame_background_match: (T,) share of the pixels outside the pillar that look like that background.
        frame_pillar_x: (T,) left-most column of the pillar, -1 where there is none.
        tracks: one for each colour that was seen, in the order of `COLORS`.
        present: colours that are visible in at least a tenth of the frames.
    """

    background: str
    background_confidence: float
    pillar_x: int | None
    frame_background: Int
    frame_background_match: Float
    frame_pillar_x: Int
    tracks: tuple[SpriteTrack, ...]
    present: tuple[str, ...]


def track_video(frames: NDArray[np.uint8]) -> TrackedVideo:
    """Track every sprite of a video.

    Args:
        frames: (T, 32, 32, 3) uint8 RGB, T >= 1.

    Raises:
        UserError: for frames of another shape or type.
    """
    _require_sprite_frames(frames)
    pixels = frames.astype(np.float32)
    backdrop = find_backdrop(pixels)
    tracks = _track_colors(pixels, backdrop)
    present = tuple(track.color for track in tracks if track.visible.mean() >= _PRESENT_SHARE)
    background = int(np.bincount(backdrop.background).argmax())
    has_pillar = backdrop.pillar_x >= 0
    return TrackedVideo(
        background=tuple(BACKGROUNDS)[background],
        background_confidence=float(np.mean(backdrop.match * (backdrop.background == background))),
        pillar_x=int(np.median(backdrop.pillar_x[has_pillar])) if has_pillar.mean() > 0.5 else None,
        frame_background=backdrop.background,
        frame_background_match=backdrop.match,
        frame_pillar_x=backdrop.pillar_x,
        tracks=tracks,
        present=present,
    )


def _require_sprite_frames(frames: NDArray[np.uint8]) -> None:
    if frames.dtype != np.uint8 or frames.shape[1:] != (FRAME_SIZE, FRAME_SIZE, 3) or not len(frames):
        raise UserError(
            f"Sprites are tracked in uint8 (T, {FRAME_SIZE}, {FRAME_SIZE}, 3), not {frames.dtype} {frames.shape}.",
            "Score videos of other worlds with another suite.",
        )


def _track_colors(pixels: Float, backdrop: Backdrop) -> tuple[SpriteTrack, ...]:
    toned = core_pixels(pixels, backdrop)
    core = np.asarray(toned.any(2))
    core_area = core.sum((2, 3))
    seen = (core_area >= _SEEN_CORE) & solid_pixels(core).any((2, 3))
    colors = np.flatnonzero(seen.sum(0) >= min(_SEEN_FRAMES, len(pixels)))
    if not len(colors):
        return ()
    observed = observed_colors(pixels, toned, colors)
    layers = color_layers(pixels, backdrop, observed.rgb)
    visible = (layers.alpha.sum((2, 3)) >= _VISIBLE_AREA) & (core_area[:, colors] >= _VISIBLE_CORE)
    placed = place_best_template(layers.alpha[visible], layers.valid[visible])
    names = tuple(COLORS)
    return tuple(_track(names[color], visible, observed.tone[:, k], k, placed) for k, color in enumerate(colors))


def _track(color: str, visible: Bool, tone: Int, k: int, placed: PlacedTemplates) -> SpriteTrack:
    """Scatter the fits of colour `k` to its frames; `placed` lists all visible colours, frame by frame."""
    frames = visible[:, k]
    rows = np.cumsum(visible.ravel()).reshape(visible.shape)[frames, k] - 1
    length = len(visible)

    def floats(values: Float, elsewhere: float) -> Float:
        result = np.full(length, elsewhere, np.float32)
        result[frames] = values[rows]
        return result

    def indices(values: Int) -> Int:
        result = np.full(length, -1, np.int64)
        result[frames] = values[rows]
        return result

    return SpriteTrack(
        color=color,
        visible=frames,
        shape=indices(placed.shape),
        size=indices(placed.size),
        tone=np.where(frames, tone, -1),
        x=floats(placed.x, np.nan),
        y=floats(placed.y, np.nan),
        visible_fraction=floats(placed.visible, 0.0),
        fit=floats(placed.fit, 0.0),
        confidence=floats(placed.confidence, 0.0),
    )
