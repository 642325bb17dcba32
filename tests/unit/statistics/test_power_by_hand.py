"""Planning by hand and against a plain loop over studies."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from probekit.errors import UserError
from probekit.statistics.interval_choice import MIN_INTERVAL_PROMPTS
from probekit.statistics.intervals import t_quantile
from probekit.statistics.power import (
    VarianceComponents,
    minimum_detectable_difference,
    noise_floor,
    power_curve,
    prompts_for_width,
    variance_components,
)

Floats = NDArray[np.float64]


def test_the_error_of_a_mean_takes_prompts_and_samples() -> None:
    """4 / 10 between prompts and 6 / 30 within: variance 0.6."""
    assert VarianceComponents(4.0, 6.0).error(10, 3) == pytest.approx(math.sqrt(0.6))


def test_the_variance_between_prompts_is_what_the_samples_leave_of_it() -> None:
    """Means 1, 4 and 10 with variance 21; variances within 2, 8 and 2 with mean 4, of which two samples leave half."""
    found = variance_components(np.array([[0.0, 2.0], [2.0, 6.0], [9.0, 11.0]]))
    assert found == pytest.approx((21 - 4 / 2, 4.0))


def test_a_variance_between_prompts_is_never_negative() -> None:
    assert variance_components(np.array([[-1.0, 1.0], [1.0, -1.0]])) == pytest.approx((0.0, 2.0))


@pytest.mark.parametrize("shape", [(4,), (1, 3), (3, 1), (2, 2, 2)])
def test_one_prompt_or_one_sample_has_no_variance_components(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match="show no variance within prompts"):
        variance_components(np.ones(shape))


def plain_power(pilots: list[Floats], effect: float, counts: list[int], level: float, simulations: int) -> float:
    """One study after another: Welch's interval of the sum of the sets' means (Satterthwaite's freedom)."""
    rng = np.random.default_rng(7)
    drawn = [
        (pilot - pilot.mean())[rng.integers(0, len(pilot), size=(simulations, count))]
        for pilot, count in zip(pilots, counts, strict=True)
    ]
    found = 0
    for study in range(simulations):
        sets = [one[study] for one in drawn]
        variances = [float(one.var(ddof=1)) / len(one) for one in sets]
        below = sum(variance**2 / (len(one) - 1) for variance, one in zip(variances, sets, strict=True))
        reach = stats.t.ppf(0.5 + level / 2, sum(variances) ** 2 / below) * math.sqrt(sum(variances))
        found += abs(effect + sum(float(one.mean()) for one in sets)) > reach
    return found / simulations


@pytest.mark.parametrize("level", [0.95, 0.5])
@pytest.mark.parametrize("effect", [0.0, 0.4, -0.6])
def test_power_is_the_share_of_studies_whose_welch_interval_excludes_zero(level: float, effect: float) -> None:
    pilots = [np.random.default_rng(1).normal(3.0, 1.0, 12), np.random.default_rng(2).exponential(0.5, 24)]
    found = power_curve(pilots, effect, [29], rng=np.random.default_rng(7), level=level, simulations=60)
    assert found == [pytest.approx(plain_power(pilots, effect, [10, 19], level, 60))]


def test_a_set_with_too_few_prompts_for_an_interval_has_no_power() -> None:
    pilots = [np.arange(10.0), np.arange(20.0)]
    numbers = [3 * MIN_INTERVAL_PROMPTS - 3, 3 * MIN_INTERVAL_PROMPTS]
    found = power_curve(pilots, 1.0, numbers, rng=np.random.default_rng(0), simulations=10)
    assert found[0] is None
    assert found[1] is not None


def test_a_study_whose_prompts_all_differ_alike_finds_nothing() -> None:
    """One pilot of a hundred differs: most studies of six draw equal ones, which get no interval."""
    pilot = np.zeros(100)
    pilot[0] = 1e-5
    (power,) = power_curve([pilot], 5.0, [MIN_INTERVAL_PROMPTS], rng=np.random.default_rng(0), simulations=2000)
    assert power == pytest.approx(1 - 0.99**MIN_INTERVAL_PROMPTS, abs=0.03)


def test_pilots_that_show_nothing_are_refused() -> None:
    for pilots, problem in (
        ([np.ones(1), np.arange(3.0)], "at least two pilot prompts"),
        ([np.full(5, 0.3)], "differ alike"),
        ([np.zeros(5)], "differ alike"),
        ([np.full(5, 1e6) + np.arange(5) * 1e-9], "differ alike"),
    ):
        with pytest.raises(UserError, match=problem):
            power_curve(pilots, 1.0, [20], rng=np.random.default_rng(0))
    assert power_curve([np.arange(2.0)], 9.0, [20], rng=np.random.default_rng(0), simulations=50) == [1.0]


@pytest.mark.parametrize("freedom", [5.0, math.inf])
def test_the_smallest_difference_that_is_found_takes_both_quantiles(freedom: float) -> None:
    expected = 0.2 * (stats.t.ppf(0.95, freedom) + stats.t.ppf(0.7, freedom))
    assert minimum_detectable_difference(0.2, level=0.9, power=0.7, freedom=freedom) == pytest.approx(expected)


def test_a_study_is_planned_at_95_and_80_percent_unless_told() -> None:
    assert minimum_detectable_difference(1.0) == pytest.approx(1.959964 + 0.841621, abs=1e-5)


@pytest.mark.parametrize(("between", "within"), [(1.0, 0.5), (0.04, 0.0), (3.0, 9.0), (100.0, 0.0)])
@pytest.mark.parametrize(("width", "samples", "level"), [(0.5, 1, 0.95), (1.3, 4, 0.9), (0.21, 2, 0.5), (5.0, 1, 0.95)])
def test_as_few_prompts_as_give_the_width(
    between: float, within: float, width: float, samples: int, level: float
) -> None:
    found = prompts_for_width(VarianceComponents(between, within), width, samples, level)

    def width_of(prompts: int) -> float:
        error = math.sqrt(between / prompts + within / (prompts * samples))
        return float(2 * stats.t.ppf(0.5 + level / 2, prompts - 1) * error)

    assert width_of(found) <= width
    assert found == MIN_INTERVAL_PROMPTS or width_of(found - 1) > width
    assert found >= MIN_INTERVAL_PROMPTS


@pytest.mark.parametrize("prompts", [7, 8, 9, 12, 30])
def test_a_width_that_so_many_prompts_give_takes_so_many(prompts: int) -> None:
    components = VarianceComponents(1.0, 0.5)
    width = 2 * t_quantile(0.975, prompts - 1) * components.error(prompts, 2)
    assert prompts_for_width(components, width, 2) == prompts


def test_a_width_is_positive() -> None:
    for width in (0.0, -1.0):
        with pytest.raises(UserError, match="cannot have width"):
            prompts_for_width(VarianceComponents(1.0, 1.0), width, 1)


def test_the_noise_floor_is_the_spread_of_a_difference_of_two_runs() -> None:
    """Runs 1 and 3 have the variance 2, their difference 4; equal runs have none."""
    assert noise_floor(np.array([[1.0, 5.0], [3.0, 5.0]])).tolist() == pytest.approx([2.0, 0.0])
    with pytest.raises(UserError, match="at least two repeated runs"):
        noise_floor(np.ones((1, 3)))
