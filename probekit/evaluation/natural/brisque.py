"""BRISQUE: how unnatural an image's local contrast is (Mittal, Moorthy and Bovik, IEEE TIP 2012).

36 features: at full and half size, the shape and spread of normalised luma, and of the products of its neighbours in
four directions. A support vector regression turns them into 0 (pristine) to 100 (ruined), or a little beyond.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, optimize, special

from probekit.evaluation.natural.support_vectors import SupportVectorRegression

Floats = NDArray[np.float64]

LUMA: Final = np.array([0.2125, 0.7154, 0.0721])
"""ITU-R BT.709 weights of red, green, blue, as the model was fitted with."""
N_FEATURES: Final = 36
_SIGMA: Final = 7 / 6
_FLOOR: Final = 1 / 255
_SHAPES: Final = (0.05, 50.0)
"""Smallest and largest shape of a distribution that a fit gives."""
# Halving by cubic interpolation (a = -0.75) always falls midway between two pixels, so that its weights are these.
_HALVING: Final = np.array([-0.09375, 0.59375, 0.59375, -0.09375])


class Spread(NamedTuple):
    """An asymmetric generalised normal distribution, fitted by moments.

    Attributes:
        shape: 2 is a normal distribution, 1 a Laplace one.
        left: root mean square of the values below 0.
        right: root mean square of the others.
    """

    shape: float
    left: float
    right: float

    def mean(self) -> float:
        """Mean of the distribution."""
        gamma = special.gamma
        scale = np.sqrt(gamma(1 / self.shape) / gamma(3 / self.shape))
        return float((self.right - self.left) * scale * gamma(2 / self.shape) / gamma(1 / self.shape))


def brisque_features(frame: NDArray[np.uint8]) -> Floats:
    """The 36 features of a frame uint8 (H, W, 3): 18 at full size, then 18 at half."""
    luma = frame @ LUMA / 255.0
    return np.array([*_features(luma), *_features(halved(luma))])


def score(frame: NDArray[np.uint8], model: SupportVectorRegression) -> float:
    """BRISQUE of a frame uint8 (H, W, 3): about 0 (pristine) to 100 (ruined)."""
    return model.predict(brisque_features(frame))


def normalised_luma(luma: Floats) -> Floats:
    """Luma (H, W) in 0..1 less its local mean, over its local deviation; beyond the border all is 0."""
    offsets = np.arange(-3, 4)
    kernel = np.exp(-(offsets**2) / (2 * _SIGMA**2))
    kernel /= kernel.sum()
    mean, square = _smoothed(luma, kernel), _smoothed(luma**2, kernel)
    normalised: Floats = (luma - mean) / (np.sqrt(np.abs(square - mean**2)) + _FLOOR)
    return normalised


def _smoothed(values: Floats, kernel: Floats) -> Floats:
    once = ndimage.correlate1d(values, kernel, axis=0, mode="constant")
    smoothed: Floats = ndimage.correlate1d(once, kernel, axis=1, mode="constant")
    return smoothed


def halved(luma: Floats) -> Floats:
    """Half the height and width, rounded down; edges are repeated."""
    values = luma
    for axis in (0, 1):
        size = values.shape[axis] // 2
        padded = np.pad(values, [(1, 2) if each == axis else (0, 0) for each in (0, 1)], mode="edge")
        rows = np.moveaxis(padded, axis, 0)
        parts = [weight * rows[start : start + 2 * size : 2] for start, weight in enumerate(_HALVING)]
        values = np.moveaxis(np.sum(parts, axis=0), 0, axis)
    return values


def fit_spread(values: Floats) -> Spread:
    """Fit by moments; values of one sign alone, or none but 0, have the flattest shape there is."""
    flat = values.ravel()
    left, right = _root_mean_square(flat[flat < 0]), _root_mean_square(flat[flat >= 0])
    square = float(np.mean(flat**2))
    if left == 0 or right == 0:
        return Spread(_SHAPES[1], left, right)
    ratio = left / right
    wanted = float(np.mean(np.abs(flat))) ** 2 / square
    wanted *= (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2
    if wanted <= shape_ratio(_SHAPES[0]):
        return Spread(_SHAPES[0], left, right)
    if wanted >= shape_ratio(_SHAPES[1]):
        return Spread(_SHAPES[1], left, right)
    shape = optimize.brentq(lambda each: shape_ratio(each) - wanted, *_SHAPES, xtol=1e-10)
    return Spread(float(shape), left, right)


def shape_ratio(shape: float) -> float:
    """Squared mean magnitude over mean square of a symmetric distribution; it rises with the shape, to 3/4."""
    logarithm = 2 * special.gammaln(2 / shape) - special.gammaln(1 / shape) - special.gammaln(3 / shape)
    return float(np.exp(logarithm))


def _root_mean_square(values: Floats) -> float:
    return float(np.sqrt(np.mean(values**2))) if values.size else 0.0


def _features(luma: Floats) -> Iterator[float]:
    values = normalised_luma(luma)
    own = fit_spread(values)
    yield from (own.shape, (own.left**2 + own.right**2) / 2)
    for product in (
        values[:, :-1] * values[:, 1:],
        values[:-1] * values[1:],
        values[:-1, :-1] * values[1:, 1:],
        values[1:, :-1] * values[:-1, 1:],
    ):
        fitted = fit_spread(product)
        yield from (fitted.shape, fitted.mean(), fitted.left**2, fitted.right**2)
