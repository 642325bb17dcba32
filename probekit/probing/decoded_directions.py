"""The directions of a state along which a linear readout finds a target: ridge regression, in its dual form.

The dual form costs videos squared and not width squared, so it serves the flattened chunks of large models too.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.seeding import generator

Floats = NDArray[np.float64]

PENALTIES: Final = tuple(10.0**power for power in range(-4, 5))
"""Ridge penalties that are tried, as shares of the mean squared length of a state."""


class DecodedDirections(NamedTuple):
    """A linear readout and the subspace that it reads.

    Attributes:
        basis: (D, R) orthonormal directions of the state, R at most the numbers of the target.
        mean: (D,) mean state.
        explained: share of the target's variance that the readout explains when each state is left out in turn.
        penalty: chosen penalty, a share of the mean squared length of a state.
    """

    basis: Floats
    mean: Floats
    explained: float
    penalty: float


def decoded_directions(states: NDArray[np.floating], targets: NDArray[np.floating]) -> DecodedDirections:
    """Fit a ridge regression of targets on states, its penalty chosen by leaving each state out in turn.

    Args:
        states: (M, D).
        targets: (M, P); rows with an unknown value (NaN) are left out.

    Raises:
        UserError: fewer than ten rows are known, or the target or the states do not vary.
    """
    known = np.isfinite(targets).all(axis=1)
    inputs, wanted = states[known].astype(np.float64), targets[known].astype(np.float64)
    if len(inputs) < 10:
        raise UserError(f"The target is known in {len(inputs)} states.", "Capture more videos, or read another target.")
    mean = inputs.mean(axis=0)
    centred, goals = inputs - mean, wanted - wanted.mean(axis=0)
    if _is_rounding(goals, wanted):
        raise UserError("The target is the same in every state.", "Read another target, or capture other videos.")
    if _is_rounding(centred, inputs):
        raise UserError("The states are all the same.", "Capture another site, or other videos.")
    values, vectors = np.linalg.eigh(centred @ centred.T)
    scale = float(values.mean())
    errors = {penalty: _left_out_error(values, vectors, goals, penalty * scale) for penalty in PENALTIES}
    best = min(errors, key=lambda penalty: errors[penalty])
    weights = centred.T @ (vectors / (values + best * scale) @ (vectors.T @ goals))
    basis, lengths, _ = np.linalg.svd(weights, full_matrices=False)
    kept = lengths > 1e-9 * lengths.max()
    return DecodedDirections(basis[:, kept], mean, 1 - errors[best] / float((goals**2).sum()), best)


def _is_rounding(centred: Floats, values: Floats) -> bool:
    """Whether what is left of values (M, ...) without their mean is no more than a sum's rounding."""
    return bool(np.abs(centred).max() <= len(values) * np.finfo(np.float64).eps * np.abs(values).max())


def _left_out_error(values: Floats, vectors: Floats, goals: Floats, penalty: float) -> float:
    """Summed squared error of each row when it is left out: residual / (1 - leverage); the mean is fitted too."""
    shrunk = values / (values + penalty)
    residuals = goals - (vectors * shrunk) @ (vectors.T @ goals)
    leverage = (vectors**2 * shrunk).sum(axis=1) + 1 / len(goals)
    return float(((residuals / (1 - leverage)[:, None]) ** 2).sum())


def random_directions_like(basis: Floats, *names: str | int) -> Floats:
    """Orthonormal random directions (D, R), as many as there are in a basis (D, R)."""
    drawn = generator("patch-directions", *names).normal(size=basis.shape)
    found: Floats = np.linalg.qr(drawn)[0]
    return found
