"""A paired difference with its bootstrap uncertainty, and the set of them that compares two methods."""

from typing import Literal, NamedTuple

from probekit.choices import IntervalKind
from probekit.statistics.interval_choice import Evidence, choose_interval, no_error, t_test

NO_PROMPTS = "no prompt is scored for both methods"

Unit = Literal["raw", "percent"]
"""What scores are in: the dimension's own unit, or percent of its normalised range."""


class DifferenceEstimate(NamedTuple):
    """A paired difference a - b with its bootstrap uncertainty.

    Attributes:
        name: The dimension, or "quality", "semantic", "total".
        a: Point score of the first method; None without a scored prompt.
        b: Point score of the second method.
        difference: a - b.
        standard_error: Standard deviation (ddof=1) of the difference over replicates; None with `reason`.
        low: Lower end of the interval; None with `reason`.
        high: Upper end of the interval.
        star: The interval exists and excludes 0.
        n_prompts: Prompts resampled; for a composite score those of its smallest dimension.
        unit: "raw" (the dimension's own scale) or "percent" (composites, 0..100 before out-of-range raw values).
        reason: Why there is no interval; None when there is one.
        closed_form_error: The bootstrap's standard error worked out without resampling; both should agree.
        interval: What kind of interval it is; None without one.
        instead: Why it is not the kind that was asked for; None where it is.
        p_value: Two-sided, of Student's t test over training runs and prompts; None where runs are not resampled.
            Signs of prompts' differences cannot be flipped there, since prompts share their runs.
    """

    name: str
    a: float | None
    b: float | None
    difference: float | None
    standard_error: float | None
    low: float | None
    high: float | None
    star: bool
    n_prompts: int
    unit: Unit
    reason: str | None = None
    closed_form_error: float | None = None
    interval: IntervalKind | None = None
    instead: str | None = None
    p_value: float | None = None


class BootstrapComparison(NamedTuple):
    """Result of `paired_bootstrap`; composites are None when a dimension they need is in `missing`."""

    dimensions: tuple[DifferenceEstimate, ...]
    quality: DifferenceEstimate | None
    semantic: DifferenceEstimate | None
    total: DifferenceEstimate | None
    missing: tuple[str, ...]
    replicates: int
    level: float

    def estimates(self) -> tuple[DifferenceEstimate, ...]:
        """All estimates that exist: the dimensions in suite order, then Quality, Semantic, Total."""
        composites = (self.quality, self.semantic, self.total)
        return (*self.dimensions, *(estimate for estimate in composites if estimate is not None))


def estimate_difference(
    name: str,
    scores: tuple[float, float],
    evidence: Evidence,
    *,
    interval: IntervalKind,
    level: float,
    unit: Unit,
) -> DifferenceEstimate:
    """Summarise a paired difference.

    Args:
        name: The dimension or composite score.
        scores: Point scores of the two methods.
        evidence: What is known of their difference. Without a second prompt there is no standard error, which is not
            the same as an error of 0.
        interval: Kind of interval that is wanted, see `choose_interval`.
        level: Coverage of the interval, in (0, 1).
        unit: Unit of the scores.
    """
    bare = DifferenceEstimate(
        name, *scores, evidence.difference, None, None, None, False, evidence.prompts, unit, no_error(evidence)
    )
    found = evidence.found()
    if bare.reason is not None or len(found) < 2:
        return bare
    chosen = choose_interval(evidence, interval, level)
    return bare._replace(
        standard_error=float(found.std(ddof=1)),
        closed_form_error=evidence.closed_form_error(),
        low=chosen.low,
        high=chosen.high,
        star=chosen.excludes_zero(),
        reason=chosen.reason,
        interval=chosen.kind,
        instead=chosen.instead,
        p_value=None if chosen.low is None or evidence.runs is None else t_test(evidence),
    )


def unscored_difference(name: str) -> DifferenceEstimate:
    """The entry of a dimension that both methods have but no prompt is scored for in both."""
    return DifferenceEstimate(name, None, None, None, None, None, None, False, 0, "raw", NO_PROMPTS)
