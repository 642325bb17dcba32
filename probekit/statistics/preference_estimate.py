"""What choices between two videos say of the models, with a bootstrap over prompts, and whether sides were balanced."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.choices import IntervalKind
from probekit.run_folder.preferences import Preference
from probekit.seeding import generator
from probekit.statistics.influence import Units
from probekit.statistics.interval_choice import Evidence, Interval, choose_interval, no_error
from probekit.statistics.preference_model import (
    PreferenceCounts,
    PreferenceFit,
    count_preferences,
    expected_score,
    fit_preferences,
    fit_replicates,
    influence_of_prompts,
)
from probekit.statistics.resampling import prompt_indices

Floats = NDArray[np.float64]

NO_ORDER: Final = "the effect of standing left cannot be told from these choices; it is taken as none"
_STREAM: Final = "preferences"
_PART: Final = 500
"""Replicates fitted at once: bounds memory, changes no result."""


class PreferenceRow(NamedTuple):
    """A model against the baseline, or what standing left does.

    Attributes:
        name: name of the model, or of the effect.
        wins: choices for it against the baseline; for the effect, choices of the left video.
        ties: ties between both.
        losses: choices against it.
        prompts: prompts with a choice.
        log_worth: log of the ratio of worths; None with `reason`.
        standard_error: spread of the log-worth over replicates.
        low: lower end of the interval.
        high: upper end.
        score: chance to be chosen plus half that of a tie, without effect of sides.
        score_low: lower end of its interval.
        score_high: upper end.
        star: whether the interval excludes a score of one half.
        reason: why there is no estimate or no interval.
        interval: kind of interval.
        instead: why it is not the percentile interval.
    """

    name: str
    wins: int
    ties: int
    losses: int
    prompts: int
    log_worth: float | None = None
    standard_error: float | None = None
    low: float | None = None
    high: float | None = None
    score: float | None = None
    score_low: float | None = None
    score_high: float | None = None
    star: bool = False
    reason: str | None = None
    interval: IntervalKind | None = None
    instead: str | None = None


class PreferenceResult(NamedTuple):
    """What choices say.

    Attributes:
        baseline: model that others are compared with.
        models: one row per other model.
        order: what standing left does.
        sides: per model, how often it stood left and right, and how likely so unequal a split is by chance.
        choices: number of choices.
        replicates: bootstrap replicates.
        level: coverage of the intervals.
    """

    baseline: str
    models: tuple[PreferenceRow, ...]
    order: PreferenceRow
    sides: tuple[tuple[str, int, int, float], ...]
    choices: int
    replicates: int
    level: float


def compare_preferences(
    choices: Sequence[Preference], baseline: str, *, seed: int, replicates: int, level: float = 0.95
) -> PreferenceResult:
    """Fit the model, resample prompts with replacement, and count the sides.

    All choices of a prompt stay together, because they are about the same two videos or their likes.

    Args:
        choices: choices, one at least.
        baseline: model that others are compared with.
        seed: seed of the resampling.
        replicates: bootstrap replicates.
        level: coverage.
    """
    counts = count_preferences(choices, baseline)
    fit = fit_preferences(counts)
    bare = [_counted(counts, place) for place in range(1, len(counts.models))]
    left, ties, right = (int(count) for count in counts.counts.sum(axis=(0, 1)))
    order = PreferenceRow("left side", left, ties, right, len(counts.prompt_ids))
    if isinstance(fit, str):
        rows, order = [row._replace(reason=fit) for row in bare], order._replace(reason=fit)
    else:
        drawn = _replicates(counts, fit, seed, replicates)
        influence = influence_of_prompts(counts.counts, fit)
        rows = [_estimated(row, fit, place, drawn, influence, level) for place, row in enumerate(bare)]
        place = len(counts.models) - 1
        order = (
            _estimated(order, fit, place, drawn, influence, level) if fit.ordered else order._replace(reason=NO_ORDER)
        )
    return PreferenceResult(baseline, tuple(rows), order, _sides(counts), len(choices), replicates, level)


def _replicates(counts: PreferenceCounts, fit: PreferenceFit, seed: int, replicates: int) -> Floats:
    """(R, Q) parameters of resampled prompts."""
    own = counts.counts[..., list(fit.outcomes)]
    rng = generator(_STREAM, seed)
    found = []
    for start in range(0, replicates, _PART):
        drawn = prompt_indices(rng, len(own), min(_PART, replicates - start))
        found.append(fit_replicates(own[drawn].sum(axis=1), fit.design))
    return np.concatenate(found)


def _counted(counts: PreferenceCounts, place: int) -> PreferenceRow:
    """Choices between a model and the baseline."""
    left, right = ((counts.pairs == pair).all(axis=1) for pair in ([place, 0], [0, place]))
    on_left, on_right = (counts.counts[:, chosen].sum(axis=1) for chosen in (left, right))
    wins, ties, losses = (on_left + on_right[:, ::-1]).sum(axis=0).astype(int)
    compared = (counts.pairs == place).any(axis=1)
    prompts = int(counts.counts[:, compared].any(axis=(1, 2)).sum())
    return PreferenceRow(counts.models[place], int(wins), int(ties), int(losses), prompts)


def _estimated(
    row: PreferenceRow, fit: PreferenceFit, place: int, drawn: Floats, influence: Floats, level: float
) -> PreferenceRow:
    """A row with the estimate of its parameter."""
    value, prompts = float(fit.parameters[place]), float(len(influence))
    units = Units(influence[:, [place]], np.array([prompts]), np.array([max(prompts - 1, 1.0)]))
    evidence = Evidence(value, drawn[:, place], [units], 1.0, int(prompts))
    found, reason = evidence.found(), no_error(evidence)
    known = reason is None and len(found) > 1
    interval = choose_interval(evidence, "percentile", level) if known else Interval(reason=reason)
    log_tie = float(fit.parameters[-1]) if fit.tied else None
    ends = [None if end is None else float(expected_score(end, log_tie)) for end in (interval.low, interval.high)]
    return row._replace(
        log_worth=value,
        standard_error=float(found.std(ddof=1)) if known else None,
        low=interval.low,
        high=interval.high,
        score=float(expected_score(value, log_tie)),
        score_low=ends[0],
        score_high=ends[1],
        star=interval.excludes_zero(),
        reason=interval.reason,
        interval=interval.kind,
        instead=interval.instead,
    )


def _sides(counts: PreferenceCounts) -> tuple[tuple[str, int, int, float], ...]:
    """Per model: choices in which it stood left, right, and the two-sided chance of so unequal a split."""
    from scipy.stats import binomtest

    shown = counts.counts.sum(axis=(0, 2))
    found = []
    for place, name in enumerate(counts.models):
        left, right = (int(shown[counts.pairs[:, side] == place].sum()) for side in (0, 1))
        found.append((name, left, right, float(binomtest(left, left + right).pvalue)))
    return tuple(found)
