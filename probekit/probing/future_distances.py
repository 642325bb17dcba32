"""How a readout lies among the futures of one state: distances, energy distance, rank. Torch-free.

Is a readout one more future, or their mean? X_1 ... X_F are futures of one state, r is what is read from it, and M_-i
is the mean of the futures but the i-th. A future is compared with the mean of the others, never with a mean that
holds itself.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.errors import UserError

Floats = NDArray[np.float64]


class FutureDistances(NamedTuple):
    """Distances in one state and horizon; squared ones are means over pixels of values in [0, 1].

    Attributes:
        readout_to_mean: squared distance of r from M_-i, mean over i.
        sample_to_mean: squared distance of X_i from M_-i, mean over i.
        readout_to_sample: squared distance of r from X_i, mean over i.
        sample_to_sample: squared distance of X_i from X_j, mean over pairs.
        energy_of_readout: energy distance of r, as a distribution of one point, from the futures.
        energy_of_sample: energy distance of a single future from the others, mean over futures.
        energy_of_mean: energy distance of the futures' own mean, the best point under the squared distance.
        rank: futures that are nearer to the mean of all other items than r is, 0 to F; items are r and the futures.
        places: (1 + F,) squared distance of r, then of each future, from the mean of all other items.
    """

    readout_to_mean: float
    sample_to_mean: float
    readout_to_sample: float
    sample_to_sample: float
    energy_of_readout: float
    energy_of_sample: float
    energy_of_mean: float
    rank: int
    places: Floats


def future_distances(readout: Floats, futures: Floats) -> FutureDistances:
    """Distances of a readout (P,) and of futures (F, P), F >= 2, in [0, 1].

    Raises:
        UserError: there are fewer than two futures.
    """
    if len(futures) < 2:
        raise UserError(f"{len(futures)} futures have no spread.", "Draw at least two.")
    count = len(futures)
    means = (futures.sum(axis=0) - futures) / (count - 1)
    between, apart = pairwise_rms(futures), _rms(futures - readout)
    places = places_among(np.concatenate([readout[None], futures]))
    pairs = count * (count - 1)
    spread = float(between.sum() / pairs)
    return FutureDistances(
        readout_to_mean=float(np.square(means - readout).mean()),
        sample_to_mean=float(np.square(futures - means).mean()),
        readout_to_sample=float(np.square(apart).mean()),
        sample_to_sample=float(np.square(between).sum() / pairs),
        energy_of_readout=float(2 * apart.mean()) - spread,
        energy_of_sample=spread,
        energy_of_mean=float(2 * _rms(futures - futures.mean(axis=0)).mean()) - spread,
        rank=int((places[1:] < places[0]).sum()),
        places=places,
    )


def places_among(items: Floats) -> Floats:
    """Squared distance (n,) of each item (n, P) from the mean of all others: exchangeable if the items are."""
    others = (items.sum(axis=0) - items) / (len(items) - 1)
    found: Floats = np.square(items - others).mean(axis=1)
    return found


def pairwise_rms(items: Floats) -> Floats:
    """Root mean squared difference (n, n) of items (n, P)."""
    return np.stack([_rms(items - one) for one in items])


def _rms(differences: Floats) -> Floats:
    found: Floats = np.sqrt(np.square(differences).mean(axis=-1))
    return found


def pixel_spread(futures: NDArray[np.uint8]) -> Floats:
    """Standard deviation (..., H, W) over uint8 futures (F, ..., H, W, 3), of values in [0, 1]."""
    values = futures.astype(np.float64) / 255
    spread: Floats = np.sqrt(values.var(axis=0, ddof=1).mean(axis=-1))
    return spread
