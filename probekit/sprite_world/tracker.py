"""Reads the state of a sprite video back from its pixels: frame by frame, without captions or network weights."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.sprite_world.pixel_labels import Backdrop, color_layers, core_pixels, find_backdrop, observed_colors
from probekit.sprite_world.template_fit import fit_templates
from probekit.sprite_world.tracker_templates import IDENTITIES
from probekit.sprite_world.vocabulary import BACKGROUNDS, COLORS, SIZES

_PRESENT_AREA: Final = 10
_PRESENT_FRAMES: Final = 3
_VISIBLE_AREA: Final = 2.5


class SpriteTrack(NamedTuple):
    color: str
    visible: NDArray[np.bool_]
    shape: NDArray[np.int64]
    size: NDArray[np.int64]
    x: NDArray[np.float32]
    y: NDArray[np.float32]
    visible_fraction: NDArray[np.float32]
    fit: NDArray[np.float32]


class TrackedVideo(NamedTuple):
    backdrop: Backdrop
    tracks: tuple[SpriteTrack, ...]


def track_video(frames: NDArray[np.uint8]) -> TrackedVideo:
    pixels = frames.astype(np.float32)
    backdrop = find_backdrop(pixels)
    core_px = core_pixels(pixels)
    core = core_px.sum((2, 3))
    colors = np.flatnonzero((core >= _PRESENT_AREA).sum(0) >= _PRESENT_FRAMES)
    if not len(colors):
        return TrackedVideo(backdrop, ())
    layers = color_layers(pixels, backdrop, observed_colors(pixels, core_px, colors))
    area = layers.alpha.sum((2, 3))
    visible = (area >= _VISIBLE_AREA) & (core[:, colors] >= 1)
    t, k = np.nonzero(visible)
    fit = fit_templates(layers.alpha[t, k], layers.valid[t, k])
    best = fit.error.argmin(1)
    n = np.arange(len(t))
    energy = np.square(layers.alpha[t, k]).sum((1, 2))
    def arr(v, fill):
        out = np.full(visible.shape, fill, np.asarray(v).dtype); out[t, k] = v; return out
    shape = arr(best // len(SIZES), -1); size = arr(best % len(SIZES), -1)
    x = arr(fit.x[n, best], np.nan); y = arr(fit.y[n, best], np.nan)
    vf = arr(fit.visible[n, best], 0); q = arr(np.clip(1 - fit.error[n, best] / energy, 0, 1), 0)
    names = list(COLORS)
    return TrackedVideo(backdrop, tuple(SpriteTrack(names[c], visible[:, i], shape[:, i], size[:, i], x[:, i], y[:, i], vf[:, i], q[:, i]) for i, c in enumerate(colors)))
