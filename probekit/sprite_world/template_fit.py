"""Least-squares fit of every sprite template to soft colour layers, at all positions."""

from typing import Final, NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from probekit.sprite_world.tracker_templates import PHASE_STEP, PHASES, WINDOW, Float, template_bank
from probekit.sprite_world.vocabulary import FRAME_SIZE

_HIDDEN_PENALTY: Final = np.float32(0.004)


class TemplateFit(NamedTuple):
    """Best placement of each of the M identities on each of N layers; arrays (N, M).

    Attributes:
        error: sum of squared differences over the valid pixels, plus the penalty for hidden area.
        x: centre in pixels.
        y: centre in pixels.
        visible: share of the placed template's area that lies on valid pixels.
    """

    error: Float
    x: Float
    y: Float
    visible: Float


def fit_templates(alpha: Float, valid: NDArray[np.bool_]) -> TemplateFit:
    """Place every template on every layer.

    The error of all integer shifts comes from one correlation by FFT (circular, which is safe as sprites stay inside
    the frame); the best one is refined on a grid of 1/8 pixel and then by parabolas.

    Args:
        alpha: (N, 32, 32) soft layers in [0, 1].
        valid: (N, 32, 32) pixels that count.
    """
    weight = valid.astype(np.float32)
    centre_y, centre_x = _integer_centres(alpha * weight, weight)
    return _refine(alpha * weight, weight, centre_y, centre_x)


def _integer_centres(alpha: Float, weight: Float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    bank = template_bank()
    alpha_f, weight_f = scipy.fft.rfft2(alpha)[:, None], scipy.fft.rfft2(weight)[:, None]
    spectrum = weight_f * (bank.square_spectrum - _HIDDEN_PENALTY * bank.spectrum) - 2 * alpha_f * bank.spectrum
    error = scipy.fft.irfft2(spectrum, s=(FRAME_SIZE, FRAME_SIZE), overwrite_x=True)
    error[:, ~bank.legal] = np.inf
    best = error.reshape(*error.shape[:2], -1).argmin(-1)
    return np.divmod(best, FRAME_SIZE)


def _windows(image: Float, y: NDArray[np.int64], x: NDArray[np.int64]) -> Float:
    """Cut the 16x16 window around each integer centre: image (N, 32, 32), centres (N, M), result (M, N, 256)."""
    half = WINDOW // 2
    padded = np.pad(image, ((0, 0), (half, half), (half, half)))
    every = np.lib.stride_tricks.sliding_window_view(padded, (WINDOW, WINDOW), axis=(1, 2))
    cut = every[np.arange(len(image))[:, None], y, x]
    return cut.reshape(*y.shape, -1).swapaxes(0, 1)


def _refine(alpha: Float, weight: Float, y: NDArray[np.int64], x: NDArray[np.int64]) -> TemplateFit:
    bank = template_bank()
    alpha_w, weight_w = _windows(alpha, y, x), _windows(weight, y, x)
    hit = weight_w @ bank.window
    error = weight_w @ np.square(bank.window) - 2 * (alpha_w @ bank.window)
    error += _HIDDEN_PENALTY * (bank.area[:, None, None] - hit)
    best = error.argmin(-1)[..., None]
    visible = np.take_along_axis(hit, best, -1)[..., 0] / bank.area[:, None]
    energy = np.square(alpha).sum((1, 2))
    grid = error.reshape(*error.shape[:2], len(PHASES), len(PHASES))
    dy, dx = _subpixel(grid, best[..., 0])
    return TemplateFit(
        error=np.maximum(np.take_along_axis(error, best, -1)[..., 0] + energy, 0).T,
        x=(x + dx.T).astype(np.float32),
        y=(y + dy.T).astype(np.float32),
        visible=np.clip(visible, 0, 1).T,
    )


def _subpixel(error: Float, best: NDArray[np.int64]) -> tuple[Float, Float]:
    """Offsets (y, x) in pixels of the minimum of parabolas through the best grid point: error (M, N, P, P)."""
    row, column = np.divmod(best, len(PHASES))
    m, n = np.ogrid[: error.shape[0], : error.shape[1]]
    last = len(PHASES) - 1

    def offset(low: Float, here: Float, high: Float) -> Float:
        curvature = low + high - 2 * here
        step = np.where(curvature > 1e-6, 0.5 * (low - high) / np.maximum(curvature, 1e-6), 0)
        return np.clip(step, -0.5, 0.5)

    here = error[m, n, row, column]
    up, down = error[m, n, np.maximum(row - 1, 0), column], error[m, n, np.minimum(row + 1, last), column]
    left, right = error[m, n, row, np.maximum(column - 1, 0)], error[m, n, row, np.minimum(column + 1, last)]
    dy = PHASES[row] + PHASE_STEP * offset(up, here, down)
    dx = PHASES[column] + PHASE_STEP * offset(left, here, right)
    return dy, dx
