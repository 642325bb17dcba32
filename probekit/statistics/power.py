"""How many prompts and seeds a difference takes: from pilot scores, by resampling and by variance components.

Studies are judged as `compare` judges them: by an interval that a few prompts do not get, with Student's quantiles.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.statistics.interval_choice import MIN_INTERVAL_PROMPTS, ROUNDING
from probekit.statistics.intervals import t_quantile

Floats = NDArray[np.float64]
MOST_PROMPTS: Final = 1_000_000


class VarianceComponents(NamedTuple):
    """Variance of paired differences.

    Attributes:
        between: variance of the prompts' true means.
        within: variance of one sample around its prompt's mean.
    """

    between: float
    within: float

    def error(self, prompts: int, samples: int) -> float:
        """Standard error of a mean over this number of prompts with this number of samples each."""
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
    pilots: Sequence[Floats],
    effect: float,
    prompts: Sequence[int],
    *,
    rng: np.random.Generator,
    level: float = 0.95,
    simulations: int = 2_000,
) -> list[float | None]:
    """Chance that the interval excludes 0, for each number of prompts, if the true difference is `effect`.

    Pilot prompts are resampled, moved to the effect, and each simulated study gets Student's interval. A study whose
    prompts all differ alike gets none, so it finds nothing.

    Args:
        pilots: contributions (P,) per independent set of prompts; their means add up to the difference.
        effect: true difference that is supposed.
        prompts: numbers of prompts to judge, in all sets together, which share them as in the pilot.
        rng: random numbers of the simulated studies.
        level: level of the interval.
        simulations: studies for each number.

    Returns:
        One chance a number; None where a set gets too few prompts for an interval.

    Raises:
        UserError: with fewer than two pilot prompts in a set, or pilots that all differ alike.
    """
    if min(map(len, pilots)) < 2:
        raise UserError("Power needs at least two pilot prompts.", "Give more pilot prompts.")
    centred = [pilot - pilot.mean() for pilot in pilots]
    spread = float(np.sqrt(sum(np.square(one).sum() for one in centred)))
    if spread <= ROUNDING * max(float(np.abs(pilot).max()) for pilot in pilots):
        raise UserError("The pilots differ alike in every prompt.", "Give more pilot prompts.")
    total = sum(map(len, pilots))
    powers: list[float | None] = []
    for number in prompts:
        counts = [round(number * len(pilot) / total) for pilot in pilots]
        if min(counts) < MIN_INTERVAL_PROMPTS:
            powers.append(None)
            continue
        drawn = [one[rng.integers(0, len(one), size=(simulations, n))] for one, n in zip(centred, counts, strict=True)]
        powers.append(_share_found(drawn, effect, spread, level))
    return powers


def _share_found(drawn: Sequence[Floats], effect: float, spread: float, level: float) -> float:
    """Share of simulated studies, (studies, prompts) in each set, whose interval excludes 0."""
    means = effect + np.sum([one.mean(axis=1) for one in drawn], axis=0)
    parts = np.array([one.var(axis=1, ddof=1) / one.shape[1] for one in drawn])
    variance = parts.sum(axis=0)
    has = np.sqrt(variance) > ROUNDING * spread
    below = np.sum([part**2 / (one.shape[1] - 1) for part, one in zip(parts, drawn, strict=True)], axis=0)
    freedom = np.divide(variance**2, below, out=np.ones_like(variance), where=has)
    critical = np.array([t_quantile(0.5 + level / 2, float(each)) for each in freedom])
    return float((has & (np.abs(means) > critical * np.sqrt(variance))).mean())


def minimum_detectable_difference(
    error: float, level: float = 0.95, power: float = 0.8, freedom: float = float("inf")
) -> float:
    """Smallest true difference that a study with this standard error finds with the given power.

    Args:
        error: standard error of the difference.
        level: level of the interval.
        power: chance of finding it.
        freedom: degrees of freedom of the error.
    """
    return error * (t_quantile(0.5 + level / 2, freedom) + t_quantile(power, freedom))


def times_as_much(difference: float, error: float, level: float = 0.95, power: float = 0.8) -> float:
    """How many times its data a study would take to find a true difference of this size with the given power.

    The standard error falls with the square root of the data, runs and prompts together; quantiles are normal, as of a
    large study. Infinite for a difference of 0. It plans a next study; of this one it says no more than its interval.

    Args:
        difference: true difference that is supposed.
        error: standard error of the study.
        level: level of the interval.
        power: chance of finding it.
    """
    return (minimum_detectable_difference(error, level, power) / difference) ** 2 if difference else math.inf


def prompts_for_width(components: VarianceComponents, width: float, samples: int, level: float = 0.95) -> int:
    """Prompts needed for Student's interval of this full width with this number of samples each.

    Raises:
        UserError: if the width is not positive, or takes more prompts than anybody could score.
    """
    if width <= 0:
        raise UserError(f"An interval cannot have width {width}.", "Give a positive width.")
    normal = NormalDist().inv_cdf(0.5 + level / 2)
    variance = components.between + components.within / samples
    # The square root of the prompts, since a square may overflow.
    wanted = (2 * normal / width) * math.sqrt(variance)
    if wanted > math.sqrt(MOST_PROMPTS):
        raise UserError(
            f"A width of {width:g} takes more than {MOST_PROMPTS:,} prompts.", "Give a larger width, or more samples."
        )
    prompts = max(MIN_INTERVAL_PROMPTS, math.ceil(wanted**2))
    while 2 * t_quantile(0.5 + level / 2, prompts - 1) * components.error(prompts, samples) > width:
        prompts += 1
    return prompts


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
