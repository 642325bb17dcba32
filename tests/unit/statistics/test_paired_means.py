"""Differences and ratios of two means: replicates, errors and intervals by plain loops over the same draws."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from probekit.statistics.difference_estimate import NO_PROMPTS, DifferenceEstimate
from probekit.statistics.interval_choice import NO_SPREAD, ROUNDING, TOO_FEW_FOR_INTERVAL
from probekit.statistics.paired_means import NO_RATIO, paired_decibels, paired_means

Compared = Callable[..., DifferenceEstimate]
NONE = np.array([])


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def errors_of(count: int = 60) -> tuple[Any, Any]:
    draws = rng(1)
    return draws.gamma(2.0, size=count), draws.gamma(2.0, size=count) / 3


def drawn_means(values: Any, replicates: int) -> Any:
    """Means of a loop over the prompts that the same generator draws."""
    rows = rng().integers(0, len(values), size=(replicates, len(values)))
    return np.array([np.mean([values[prompt] for prompt in row]) for row in rows])


def test_a_difference_has_the_spread_and_the_quantiles_of_its_replicates() -> None:
    a, b = errors_of()
    found = paired_means("x", a, b, rng=rng(), replicates=300, level=0.9)
    replicates = drawn_means(a - b, 300)
    assert (found.name, found.unit, found.n_prompts, found.interval) == ("x", "raw", 60, "percentile")
    assert (found.a, found.b, found.difference) == pytest.approx((a.mean(), b.mean(), (a - b).mean()))
    assert found.standard_error == pytest.approx(replicates.std(ddof=1))
    assert found.closed_form_error == pytest.approx((a - b).std() / 60**0.5)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(replicates, [0.05, 0.95])))


def test_a_ratio_has_the_spread_and_the_quantiles_of_its_replicates_in_decibels() -> None:
    """Its closed form is that of the delta method: 10 / ln 10 times the error of a / mean a - b / mean b."""
    a, b = errors_of()
    found = paired_decibels("x", a, b, rng=rng(), replicates=300, level=0.9)
    replicates = 10 * np.log10(drawn_means(a, 300) / drawn_means(b, 300))
    assert (found.name, found.unit, found.n_prompts, found.interval) == ("x", "raw", 60, "percentile")
    assert (found.a, found.b) == pytest.approx((10 * np.log10(a.mean()), 10 * np.log10(b.mean())))
    assert found.difference == pytest.approx(10 * np.log10(a.mean() / b.mean()))
    assert found.standard_error == pytest.approx(replicates.std(ddof=1))
    first_order = (a / a.mean() - b / b.mean()) * 10 / np.log(10)
    assert found.closed_form_error == pytest.approx(first_order.std() / 60**0.5)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(replicates, [0.05, 0.95])))


@pytest.mark.parametrize("compared", [paired_means, paired_decibels])
def test_by_default_ten_thousand_replicates_give_percentiles_at_95_percent(compared: Compared) -> None:
    a, b = errors_of()
    expected = compared("x", a, b, rng=rng(), replicates=10_000, level=0.95, interval="percentile")
    assert compared("x", a, b, rng=rng()) == expected


@pytest.mark.parametrize("compared", [paired_means, paired_decibels])
def test_few_prompts_have_students_interval_with_one_degree_of_freedom_less(compared: Compared) -> None:
    a, b = errors_of(8)
    found = compared("x", a, b, rng=rng(), replicates=50)
    influence = a - b if compared is paired_means else (a / a.mean() - b / b.mean()) * 10 / np.log(10)
    reach = stats.t.ppf(0.975, 7) * influence.std(ddof=1) / 8**0.5
    assert found.difference is not None
    assert (found.low, found.high) == pytest.approx((found.difference - reach, found.difference + reach))
    assert found.interval == "t"


@pytest.mark.parametrize("compared", [paired_means, paired_decibels])
def test_six_prompts_are_enough_for_an_interval_and_none_say_nothing(compared: Compared) -> None:
    a, b = errors_of(6)
    assert compared("x", a, b, rng=rng(), replicates=50).low is not None
    assert compared("x", a[:5], b[:5], rng=rng(), replicates=50).reason == TOO_FEW_FOR_INTERVAL
    none = compared("x", NONE, NONE, rng=rng())
    assert (none.difference, none.n_prompts, none.reason) == (None, 0, NO_PROMPTS)


@pytest.mark.parametrize(("part", "reason"), [(0.9, NO_SPREAD), (1.1, None)])
def test_a_spread_counts_from_the_rounding_of_the_largest_score_on(part: float, reason: str | None) -> None:
    """Differences of ±part roundings of 1,000, the largest score by size; whichever side has it, and its sign."""
    small = np.where(np.arange(60) % 2, 1.0, -1.0) * part * 1000 * ROUNDING
    large = np.full(60, -1000.0)
    for a, b in ((small + large, large), (large, large - small), (-large, -large - small)):
        assert paired_means("x", a, b, rng=rng(), replicates=50).reason == reason


@pytest.mark.parametrize(("part", "reason"), [(0.9, NO_SPREAD), (1.1, None)])
def test_a_ratio_varies_if_its_relative_errors_do(part: float, reason: str | None) -> None:
    b = np.full(60, 1000.0)
    a = b * (3 + np.where(np.arange(60) % 2, 3.0, -3.0) * part * ROUNDING)
    assert paired_decibels("x", a, b, rng=rng(), replicates=50).reason == reason


def test_a_ratio_needs_errors_on_both_sides_and_leaves_out_replicates_without_them() -> None:
    a, b = np.ones(60), np.zeros(60)
    for pair in ((a, b), (b, a)):
        found = paired_decibels("x", *pair, rng=rng())
        assert (found.difference, found.n_prompts, found.reason) == (None, 60, NO_RATIO)
    b[:3] = [1.0, 2.0, 3.0]  # about 5 % of replicates draw none of these three
    found = paired_decibels("x", a + np.arange(60), b, rng=rng(), replicates=300)
    with np.errstate(divide="ignore"):
        replicates = 10 * np.log10(drawn_means(a + np.arange(60), 300) / drawn_means(b, 300))
    finite = replicates[np.isfinite(replicates)]
    assert 0 < len(finite) < 300
    assert found.standard_error == pytest.approx(finite.std(ddof=1))
    assert (found.interval, found.instead) == ("t", "many replicates drew no scored prompt")


def test_pairs_of_runs_and_prompts_are_drawn_crosswise() -> None:
    draws = rng(3)
    a, b = (draws.normal(size=(4, 1)) + draws.normal(size=(1, 30)) + draws.normal(size=(4, 30)) for _ in range(2))
    found = paired_means("x", a, b, rng=rng(), replicates=400, level=0.9)
    d = a - b
    source = rng()
    runs, rows = source.integers(0, 4, size=(400, 4)), source.integers(0, 30, size=(400, 30))
    replicates = [
        np.mean([[d[k, p] for p in prompts] for k in pairs]) for pairs, prompts in zip(runs, rows, strict=True)
    ]
    assert found.standard_error == pytest.approx(np.std(replicates, ddof=1))
    assert (found.a, found.b, found.difference) == pytest.approx((a.mean(), b.mean(), d.mean()))
    rest = d - d.mean(axis=0) - d.mean(axis=1, keepdims=True) + d.mean()
    parts = (d.mean(axis=1).var() / 4, d.mean(axis=0).var() / 30, rest.var() / rest.size)
    assert found.closed_form_error == pytest.approx(sum(parts) ** 0.5)
    assert (found.interval, found.instead, found.n_prompts) == ("t", "fewer than 50 training runs", 30)


@pytest.mark.parametrize("runs", [2, 4])
def test_runs_of_constant_scores_have_the_interval_of_the_paired_t_test(runs: int) -> None:
    scores = np.array([[0.61, 0.64, 0.66, 0.62], [0.55, 0.57, 0.61, 0.56]])[:, :runs]
    a, b = (np.tile(one[:, None], (1, 8)) for one in scores)
    found = paired_means("x", a, b, rng=rng(), replicates=10)
    expected = stats.ttest_rel(*scores).confidence_interval()
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_one_pair_of_runs_is_a_comparison_by_prompts() -> None:
    a, b = errors_of()
    alone = paired_means("x", a, b, rng=rng(), replicates=300)
    assert paired_means("x", a[None], b[None], rng=rng(), replicates=300) == alone
    assert paired_means("x", np.zeros((3, 0)), np.zeros((3, 0)), rng=rng()).difference is None


def test_two_runs_are_too_few_for_percentiles_however_many_prompts() -> None:
    a, b = (np.stack(errors_of(80)) for _ in range(2))
    assert paired_means("x", a, b[::-1], rng=rng(), replicates=50).instead == "fewer than 50 training runs"
