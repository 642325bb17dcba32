"""Planning a study: power that holds its level, closed forms, and pilots that say nothing."""

import numpy as np
import pytest
from scipy import stats

from probekit.errors import UserError
from probekit.seeding import generator
from probekit.statistics.power import (
    minimum_detectable_difference,
    power_curve,
    prompts_for_width,
    times_as_much,
    variance_components,
)


def pilot(count: int = 100) -> np.ndarray:
    values = generator("pilot").normal(0.0, 1.0, size=count)
    return (values - values.mean()) / values.std(ddof=1)


def test_power_rises_with_prompts_and_meets_the_normal_formula() -> None:
    few, some, many = power_curve([pilot()], 0.3, [20, 87, 400], rng=generator("power"))
    assert few is not None
    assert some is not None
    assert many is not None
    assert few < some < many
    assert some == pytest.approx(0.8, abs=0.05)  # n = ((1.96 + 0.84) / 0.3)^2
    assert minimum_detectable_difference(1 / np.sqrt(87)) == pytest.approx(0.3, abs=0.005)


@pytest.mark.parametrize("count", [6, 10, 25, 100])
def test_power_at_no_effect_is_the_level(count: int) -> None:
    (found,) = power_curve([pilot(2000)], 0.0, [count], rng=generator("level"), simulations=4000)
    assert found is not None
    assert stats.binomtest(round(found * 4000), 4000, 0.05).pvalue > 0.01


@pytest.mark.parametrize("count", [8, 40])
def test_power_is_that_of_the_noncentral_t(count: int) -> None:
    (found,) = power_curve([pilot(2000)], 0.5, [count], rng=generator("power"), simulations=4000)
    critical, shift = stats.t.ppf(0.975, count - 1), 0.5 * np.sqrt(count)
    expected = stats.nct.sf(critical, count - 1, shift) + stats.nct.cdf(-critical, count - 1, shift)
    assert found == pytest.approx(expected, abs=0.035)


def test_sets_of_prompts_share_the_number_as_in_the_pilot() -> None:
    """Two sets, one four times as large: a total of 100 is 20 and 80, with the variance of both means."""
    small, large = pilot(50), 2 * pilot(200)
    few, found = power_curve([small, large], 0.6, [25, 100], rng=generator("power"), simulations=4000)
    assert few is None  # five prompts in the smaller set have no interval
    error = np.sqrt(1 / 20 + 4 / 80)
    assert found == pytest.approx(stats.norm.sf(1.96 - 0.6 / error), abs=0.04)


@pytest.mark.parametrize("value", [0.0, 0.1, 1.0])
def test_pilots_that_differ_alike_say_nothing(value: float) -> None:
    with pytest.raises(UserError, match="differ alike in every prompt"):
        power_curve([np.full(10, value)], 0.1, [50], rng=generator("power"))


def test_one_pilot_prompt_says_nothing() -> None:
    with pytest.raises(UserError, match="two pilot prompts"):
        power_curve([np.ones(1)], 0.1, [50], rng=generator("power"))


def test_studies_without_spread_find_nothing() -> None:
    """One prompt in ten differs: of six drawn ones half the studies see no spread, and get no interval."""
    (found,) = power_curve([np.array([1.0] + [0.0] * 9)], 1.0, [6], rng=generator("power"))
    assert found is not None
    assert found < 0.52


def test_the_detectable_difference_of_few_prompts_uses_students_quantiles() -> None:
    expected = 0.1 * (stats.t.ppf(0.975, 7) + stats.t.ppf(0.8, 7))
    assert minimum_detectable_difference(0.1, freedom=7) == pytest.approx(expected)


def test_variance_components_and_the_prompts_that_a_width_takes() -> None:
    rng = generator("components")
    differences = rng.normal(0, 2.0, size=(4000, 1)) + rng.normal(0, 3.0, size=(4000, 5))
    found = variance_components(differences)
    assert found.between == pytest.approx(4.0, rel=0.1)
    assert found.within == pytest.approx(9.0, rel=0.05)
    needed = prompts_for_width(found, 1.0, 5)
    widths = [2 * stats.t.ppf(0.975, n - 1) * found.error(n, 5) for n in (needed, needed - 1)]
    assert widths[0] <= 1.0 < widths[1]
    assert prompts_for_width(found, 1000.0, 5) == 6  # fewer have no interval
    with pytest.raises(UserError, match="two samples"):
        variance_components(differences[:, :1])
    with pytest.raises(UserError, match="width"):
        prompts_for_width(found, 0.0, 5)
    for impossible in (1e-3, 1e-300):
        with pytest.raises(UserError, match="takes more than 1,000,000 prompts"):
            prompts_for_width(found, impossible, 5)


@pytest.mark.parametrize(("difference", "error"), [(0.5, 0.3), (-0.2, 0.4), (2.0, 0.1)])
def test_as_many_times_the_data_find_the_difference_four_times_in_five(difference: float, error: float) -> None:
    smaller = error / times_as_much(difference, error) ** 0.5
    found = np.random.default_rng(3).normal(difference, smaller, 200_000)
    assert (np.abs(found) > 1.959964 * smaller).mean() == pytest.approx(0.8, abs=0.005)


def test_no_data_tell_a_difference_of_nothing() -> None:
    assert times_as_much(0.0, 1.0) == float("inf")
