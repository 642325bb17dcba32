"""Least-squares fit of every sprite template to soft colour layers, at all positions."""

from typing import Final, NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from probekit.sprite_world.tracker_templates import PHASE_STEP, PHASES, WINDOW, Float, template_bank
from probekit.sprite_world.vocabulary import FRAME_SIZE, SIZES

Int = NDArray[np.int64]

_HIDDEN_PENALTY: Final = np.float32(0.004)
"""Error of each hidden pixel of a template: of two templates that fit equally, the less hidden one is meant."""
_ERROR_FLOOR: Final = np.float32(0.5)
_EFFECTIVE_PIXELS: Final = 16
"""Independent pixels in the residual of a whole sprite, for the posterior; residuals of neighbours go together."""
_BATCH: Final = 128


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


class PlacedTemplates(NamedTuple):
    """The best identity of each of N layers; arrays (N,). Fields as in `tracker.SpriteTrack`."""

    shape: Int
    size: Int
    x: Float
    y: Float
    visible: Float
    fit: Float
    confidence: Float


def place_best_template(alpha: Float, valid: NDArray[np.bool_]) -> PlacedTemplates:
    """Choose identity and position of each layer.

    The posterior of an identity, with the noise level profiled out, is proportional to error^(-n/2), where n is the
    number of independent pixels in view.

    Args:
        alpha: (N, 32, 32) soft layers in [0, 1].
        valid: (N, 32, 32) pixels that count.
    """
    starts = range(0, max(len(alpha), 1), _BATCH)
    batches = [fit_templates(alpha[i : i + _BATCH], valid[i : i + _BATCH]) for i in starts]
    fit = TemplateFit(*(np.concatenate(parts) for parts in zip(*batches, strict=True)))
    best = fit.error.argmin(1)
    rows = np.arange(len(best))
    energy = np.square(alpha).sum((1, 2), where=valid)
    explained = np.clip(1 - fit.error[rows, best] / np.maximum(energy, _ERROR_FLOOR), 0, 1)
    ratio = (fit.error[rows, best][:, None] + _ERROR_FLOOR) / (fit.error + _ERROR_FLOOR)
    effective = _EFFECTIVE_PIXELS * fit.visible[rows, best]
    posterior = 1 / (ratio ** (effective[:, None] / 2)).sum(1)
    return PlacedTemplates(
        shape=best // len(SIZES),
        size=best % len(SIZES),
        x=fit.x[rows, best],
        y=fit.y[rows, best],
        visible=fit.visible[rows, best],
        fit=explained,
        confidence=explained * posterior,
    )


def fit_templates(alpha: Float, valid: NDArray[np.bool_]) -> TemplateFit:
    """Place every template on every layer.

    The error of all integer shifts comes from one correlation by FFT (circular, which is safe as sprites stay inside
    the frame); the best one is refined on a grid of 1/8 pixel and then by parabolas.

    Args:
        alpha: (N, 32, 32) soft layers in [0, 1].
        valid: (N, 32, 32) pixels that count; elsewhere the sprite may be hidden.
    """
    weight = valid.astype(np.float32)
    centre_y, centre_x = _integer_centres(alpha * weight, weight)
    return _refine(alpha * weight, weight, centre_y, centre_x)


def _integer_centres(alpha: Float, weight: Float) -> tuple[Int, Int]:
    """Row and column (N, M) of the integer centre with the least error: sum w·t² - 2 sum w·a·t + penalty."""
    bank = template_bank()
    alpha_f, weight_f = scipy.fft.rfft2(alpha)[:, None], scipy.fft.rfft2(weight)[:, None]
    spectrum = weight_f * (bank.square_spectrum - _HIDDEN_PENALTY * bank.spectrum) - 2 * alpha_f * bank.spectrum
    error = scipy.fft.irfft2(spectrum, s=(FRAME_SIZE, FRAME_SIZE), overwrite_x=True)
    error[:, ~bank.legal] = np.inf
    row, column = np.divmod(error.reshape(*error.shape[:2], FRAME_SIZE**2).argmin(-1), FRAME_SIZE)
    return row, column


def _windows(image: Float, y: Int, x: Int) -> Float:
    """Cut the 16x16 window around each integer centre: image (N, 32, 32), centres (N, M), result (M, N, 256)."""
    half = WINDOW // 2
    padded = np.pad(image, ((0, 0), (half, half), (half, half)))
    every = np.lib.stride_tricks.sliding_window_view(padded, (WINDOW, WINDOW), axis=(1, 2))
    cut = every[np.arange(len(image))[:, None], y, x]
    return cut.reshape(*y.shape, WINDOW**2).swapaxes(0, 1)


def _refine(alpha: Float, weight: Float, y: Int, x: Int) -> TemplateFit:
    bank = template_bank()
    alpha_w, weight_w = _windows(alpha, y, x), _windows(weight, y, x)
    hit = weight_w @ bank.window
    error = weight_w @ bank.square_window - 2 * (alpha_w @ bank.window)
    error += _HIDDEN_PENALTY * (bank.area[:, None, None] - hit)
    best = error.argmin(-1)
    visible = np.take_along_axis(hit, best[..., None], -1)[..., 0] / bank.area[:, None]
    least = np.take_along_axis(error, best[..., None], -1)[..., 0]
    dy, dx = _subpixel(error.reshape(*error.shape[:2], len(PHASES), len(PHASES)), best)
    return TemplateFit(
        error=np.maximum(least + np.square(alpha).sum((1, 2)), 0).T,
        x=(x + dx.T).astype(np.float32),
        y=(y + dy.T).astype(np.float32),
        visible=np.clip(visible, 0, 1).T,
    )


def _subpixel(error: Float, best: Int) -> tuple[Float, Float]:
    """Offsets (y, x) in pixels of the minimum near grid point `best` (M, N) of `error` (M, N, P, P)."""
    row, column = np.divmod(best, len(PHASES))
    m, n = np.ogrid[: error.shape[0], : error.shape[1]]
    last = len(PHASES) - 1
    here = error[m, n, row, column]
    up, down = error[m, n, np.maximum(row - 1, 0), column], error[m, n, np.minimum(row + 1, last), column]
    left, right = error[m, n, row, np.maximum(column - 1, 0)], error[m, n, row, np.minimum(column + 1, last)]
    dy = PHASES[row] + PHASE_STEP * _parabola_minimum(up, here, down)
    dx = PHASES[column] + PHASE_STEP * _parabola_minimum(left, here, right)
    return dy, dx


def _parabola_minimum(low: Float, here: Float, high: Float) -> Float:
    """Where the parabola through the values at -1, 0 and 1 is least, limited to [-0.5, 0.5]."""
    curvature = np.maximum(low + high - 2 * here, np.float32(1e-6))
    return np.asarray(np.clip(np.float32(0.5) * (low - high) / curvature, -0.5, 0.5))
