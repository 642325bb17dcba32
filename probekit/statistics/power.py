"""How many prompts and seeds a difference takes: from pilot scores, by resampling and by variance components."""

from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.errors import UserError

Floats = NDArray[np.float64]


class VarianceComponents(NamedTuple):
    """Variance of paired differences.

    Attributes:
        between: of the prompts' true means.
        within: of one sample around its prompt's mean.
    """

    between: float
    within: float

    def error(self, prompts: int, samples: int) -> float:
        """Standard error of a mean over so many prompts with so many samples each."""
        return float(np.sqrt(self.between / prompts + self.within / (prompts * samples)))


def variance_components(differences: Floats) -> VarianceComponents:
    """One-way analysis of variance of paired differences (P prompts, S samples).

    Raises:
        UserError: with fewer than two prompts or samples.
    """
    if differences.ndim != 2 or min(differences.shape) < 2:
        raise UserError(
            f"Pilot differences of shape {differences.shape} show no variance within prompts.",
            "Give at least two prompts with two samples each.",
        )
    samples = differences.shape[1]
    within = float(differences.var(axis=1, ddof=1).mean())
    of_means = float(differences.mean(axis=1).var(ddof=1))
    return VarianceComponents(max(of_means - within / samples, 0.0), within)


def power_curve(
    differences: Floats,
    effect: float,
    prompts: Sequence[int],
    *,
    rng: np.random.Generator,
    level: float = 0.95,
    simulations: int = 2_000,
) -> list[float]:
    """Chance that the interval excludes 0, for each number of prompts, if the true difference is `effect`.

    Pilot prompts are resampled, moved to the effect, and each simulated study is tested by its own standard error.

    Args:
        differences: pilot differences, one a prompt (P,).
        effect: true mean difference that is supposed.
        prompts: numbers of prompts to judge.
        rng: of the simulated studies.
        level: of the interval.
        simulations: studies for each number.

    Raises:
        UserError: with fewer than two pilot prompts or prompts.
    """
    if len(differences) < 2 or min(prompts) < 2:
        raise UserError("Power needs at least two prompts.", "Give more pilot prompts.")
    critical = NormalDist().inv_cdf(0.5 + level / 2)
    moved = differences - differences.mean() + effect
    powers = []
    for count in prompts:
        drawn = moved[rng.integers(0, len(moved), size=(simulations, count))]
        error = drawn.std(axis=1, ddof=1) / np.sqrt(count)
        powers.append(float((np.abs(drawn.mean(axis=1)) > critical * error).mean()))
    return powers


def minimum_detectable_difference(error: float, level: float = 0.95, power: float = 0.8) -> float:
    """Smallest true difference that a study with this standard error finds with the given power."""
    normal = NormalDist()
    return error * (normal.inv_cdf(0.5 + level / 2) + normal.inv_cdf(power))


def prompts_for_width(components: VarianceComponents, width: float, samples: int, level: float = 0.95) -> int:
    """Prompts needed for an interval of this full width with so many samples each.

    Raises:
        UserError: if the width is not positive.
    """
    if width <= 0:
        raise UserError(f"An interval cannot have width {width}.", "Give a positive width.")
    critical = NormalDist().inv_cdf(0.5 + level / 2)
    variance = components.between + components.within / samples
    return max(2, int(np.ceil((2 * critical / width) ** 2 * variance)))


def noise_floor(repeats: Floats) -> Floats:
    """Standard deviation of the difference of two runs that differ in nothing but chance, (Q,).

    Args:
        repeats: scores (runs, Q) of repeated runs of one model, at least two.

    Raises:
        UserError: with fewer than two runs.
    """
    if len(repeats) < 2:
        raise UserError("A noise floor needs at least two repeated runs.", "Sample it again with another seed.")
    floor: Floats = np.sqrt(2.0) * repeats.std(axis=0, ddof=1)
    return floor
