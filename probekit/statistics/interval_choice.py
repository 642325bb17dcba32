"""Which interval a difference gets: the one that was asked for where it holds its level, else Student's t, by name.

The rule is the same for every resampling and every table. `docs/statistics.md` has the measured levels behind it.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.choices import IntervalKind
from probekit.statistics.influence import Units, closed_form_errors, unbiased_errors, welch_freedom
from probekit.statistics.intervals import (
    MOST_LEFT_OUT,
    Ends,
    basic_interval,
    bca_interval,
    percentile_interval,
    studentised_interval,
    t_interval,
    t_tail,
)

Floats = NDArray[np.float64]

MIN_INTERVAL_PROMPTS: Final = 6
"""With fewer prompts not even a unanimous sign is significant at 5 % (two-sided sign test: 2/2^5 = 6 %)."""
MIN_BOOTSTRAP_UNITS: Final = 50
"""With fewer prompts or training runs the quantiles of replicates are too narrow by more than a percentage point."""
ROUNDING: Final = float(np.finfo(np.float32).eps)
"""Networks score in float32: a spread below this part of the scores is rounding."""

TOO_FEW_PROMPTS: Final = "fewer than 2 prompts: no standard error or interval"
TOO_FEW_FOR_INTERVAL: Final = f"fewer than {MIN_INTERVAL_PROMPTS} prompts: no interval"
TOO_FEW_RUNS: Final = "fewer than 2 training runs of a model: no standard error or interval over runs"
NO_SPREAD: Final = "the difference is the same in every prompt, so that nothing is known of its spread: no interval"


class Evidence(NamedTuple):
    """What is known of one difference.

    Attributes:
        difference: the estimate.
        replicates: bootstrap replicates of it, (R,); NaN where nothing scored was drawn.
        units: independent units, each with Q = 1.
        size: how large the scores are, in the difference's unit.
        prompts: scored prompts behind it.
        runs: training runs of the method that has fewer; None where runs are not resampled.
        own_errors: (R,) standard error of each replicate, for studentised intervals.
    """

    difference: float
    replicates: Floats
    units: Sequence[Units]
    size: float
    prompts: int
    runs: int | None = None
    own_errors: Floats | None = None

    def found(self) -> Floats:
        """The replicates that have a value."""
        return self.replicates[np.isfinite(self.replicates)]

    def closed_form_error(self) -> float:
        """The bootstrap's standard error without resampling."""
        return float(closed_form_errors(self.units)[0])

    def is_constant(self) -> bool:
        """Whether the units differ by no more than rounding."""
        return all(np.abs(one.influence).max() <= ROUNDING * self.size for one in self.units)


class Interval(NamedTuple):
    """An interval, or why there is none.

    Attributes:
        low: lower end.
        high: upper end.
        kind: what it is; None without an interval.
        reason: why there is none.
        instead: why it is not the kind that was asked for; None where it is.
    """

    low: float | None = None
    high: float | None = None
    kind: IntervalKind | None = None
    reason: str | None = None
    instead: str | None = None

    def excludes_zero(self) -> bool:
        """Whether a difference of 0 is outside."""
        return self.low is not None and self.high is not None and (self.low > 0.0 or self.high < 0.0)


def choose_interval(evidence: Evidence, asked: IntervalKind, level: float) -> Interval:
    """The interval of a difference.

    Args:
        evidence: about the difference.
        asked: kind that is wanted.
        level: coverage, in (0, 1).
    """
    reason = no_error(evidence) or _no_interval(evidence)
    if reason is not None:
        return Interval(reason=reason)
    instead = _unsound(evidence, asked)
    ends = None if instead is not None or asked == "t" else _asked_interval(evidence, asked, level)
    if ends is not None:
        return Interval(*ends, kind=asked)
    low, high = t_interval(evidence.difference, *_error_and_freedom(evidence), level)
    if asked != "t" and instead is None:
        instead = _undefined(asked)
    return Interval(low, high, "t", instead=instead)


def t_test(evidence: Evidence) -> float:
    """Two-sided p of a difference of 0; below 1 - level exactly where the t interval of that level excludes 0.

    Only for a difference whose units have a spread.
    """
    error, freedom = _error_and_freedom(evidence)
    return 2.0 * t_tail(abs(evidence.difference) / error, freedom)


def _error_and_freedom(evidence: Evidence) -> tuple[float, float]:
    """The unbiased standard error, and its degrees of freedom."""
    return float(unbiased_errors(evidence.units)[0]), float(welch_freedom(evidence.units)[0])


def no_error(evidence: Evidence) -> str | None:
    """Why there is not even a standard error; None where there is one."""
    if evidence.prompts < 2:
        return TOO_FEW_PROMPTS
    if evidence.runs is not None and evidence.runs < 2:
        return TOO_FEW_RUNS
    return None


def _no_interval(evidence: Evidence) -> str | None:
    if evidence.prompts < MIN_INTERVAL_PROMPTS:
        return TOO_FEW_FOR_INTERVAL
    return NO_SPREAD if evidence.is_constant() else None


def _unsound(evidence: Evidence, asked: IntervalKind) -> str | None:
    """Why the replicates cannot give the interval that is asked for."""
    if asked == "t":
        return None
    if evidence.runs is not None and evidence.runs < MIN_BOOTSTRAP_UNITS:
        return f"fewer than {MIN_BOOTSTRAP_UNITS} training runs"
    if evidence.prompts < MIN_BOOTSTRAP_UNITS and asked != "studentised":
        return f"fewer than {MIN_BOOTSTRAP_UNITS} prompts"
    found = evidence.found()
    if len(found) < (1 - MOST_LEFT_OUT) * len(evidence.replicates):
        return "many replicates drew no scored prompt"
    return "the replicates have no spread" if np.ptp(found) <= ROUNDING * evidence.size else None


def _undefined(asked: IntervalKind) -> str:
    """Why the asked interval has no ends; only two kinds can lack them."""
    return "its corrections are not defined" if asked == "bca" else "many replicates have no spread of their own"


def _asked_interval(evidence: Evidence, asked: IntervalKind, level: float) -> Ends | None:
    found = evidence.found()
    if asked == "percentile":
        return percentile_interval(found, level)
    if asked == "basic":
        return basic_interval(evidence.difference, found, level)
    if asked == "bca":
        influence = [one.influence[:, 0] for one in evidence.units]
        return bca_interval(evidence.difference, found, influence, level)
    assert evidence.own_errors is not None, "only resampling of prompts has replicates' own errors"
    own = evidence.own_errors[np.isfinite(evidence.replicates)]
    return studentised_interval(evidence.difference, evidence.closed_form_error(), found, own, level)
