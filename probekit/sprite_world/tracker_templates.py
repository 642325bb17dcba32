"""Pictures of every sprite identity at every sub-pixel phase, made once with the renderer itself."""

import functools
import itertools
from typing import Final, NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from probekit.sprite_world.renderer import coverage
from probekit.sprite_world.vocabulary import FRAME_SIZE, SHAPES, SIZES

Float = NDArray[np.float32]

WINDOW: Final = 16
"""Side in pixels of the window that holds the largest sprite at every phase."""

PHASE_STEP: Final = 0.125
PHASES: Final = np.arange(-6, 7, dtype=np.float32) * np.float32(PHASE_STEP)
"""Offsets in pixels from an integer centre, along each axis."""

IDENTITIES: Final[tuple[tuple[str, str], ...]] = tuple(itertools.product(SHAPES, SIZES))
"""(shape, size) of each template: index = shape index * number of sizes + size index."""


class TemplateBank(NamedTuple):
    """Templates of the M = 8 identities.

    Attributes:
        spectrum: (M, 32, 17) complex64, conjugate spectrum of the coverage centred on pixel corner (0, 0).
        square_spectrum: the same of the squared coverage.
        legal: (M, 32, 32) bool, integer centres [y, x] at which the sprite lies inside the frame.
        window: (M, 256, 169) float32, coverage in the 16x16 window around an integer centre, for each phase (y, x).
        square_window: its square.
        area: (M,) coverage in pixels.
    """

    spectrum: NDArray[np.complex64]
    square_spectrum: NDArray[np.complex64]
    legal: NDArray[np.bool_]
    window: Float
    square_window: Float
    area: Float


@functools.cache
def template_bank() -> TemplateBank:
    """Build the bank; about 50 ms, once for each process."""
    centred = np.stack([coverage(shape, SIZES[size], np.array(16.0), np.array(16.0)) for shape, size in IDENTITIES])
    at_corner = np.roll(centred, (-16, -16), axis=(1, 2))
    window = np.stack([_phase_windows(shape, SIZES[size]) for shape, size in IDENTITIES])
    return TemplateBank(
        spectrum=np.conj(scipy.fft.rfft2(at_corner)),
        square_spectrum=np.conj(scipy.fft.rfft2(at_corner**2)),
        legal=np.stack([_legal_centres(SIZES[size]) for _, size in IDENTITIES]),
        window=window,
        square_window=np.square(window),
        area=centred.sum((1, 2)),
    )


def _legal_centres(radius: float) -> NDArray[np.bool_]:
    centre = np.arange(FRAME_SIZE)
    inside = (centre >= np.round(radius)) & (centre <= FRAME_SIZE - np.round(radius))
    return np.asarray(inside[:, None] & inside)


def _phase_windows(shape: str, radius: float) -> Float:
    """(256, 169): one column a phase, y slowest."""
    y, x = np.meshgrid(16 + PHASES, 16 + PHASES, indexing="ij")
    pictures = coverage(shape, radius, x.ravel(), y.ravel())
    low = 16 - WINDOW // 2
    return np.ascontiguousarray(pictures[:, low : low + WINDOW, low : low + WINDOW].reshape(len(PHASES) ** 2, -1).T)
