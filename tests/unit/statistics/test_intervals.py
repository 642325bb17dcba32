"""Each interval against its definition, on replicates whose quantiles are known."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from probekit.statistics.intervals import (
    MOST_LEFT_OUT,
    SMALL_ERROR,
    basic_interval,
    bca_interval,
    percentile_interval,
    studentised_interval,
    t_interval,
    t_quantile,
    t_tail,
)

NORMAL = NormalDist()
HUNDRED = np.arange(101.0)
"""Replicates 0 to 100: quantile q is 100 q."""


def test_a_percentile_interval_leaves_half_of_the_rest_on_each_side() -> None:
    assert percentile_interval(HUNDRED, 0.9) == pytest.approx((5, 95))
    assert percentile_interval(HUNDRED, 0.5) == pytest.approx((25, 75))


def test_a_basic_interval_is_the_percentile_interval_reflected_at_the_estimate() -> None:
    assert basic_interval(40.0, HUNDRED, 0.9) == pytest.approx((2 * 40 - 95, 2 * 40 - 5))


def bca_by_the_formula(estimate: float, replicates: np.ndarray, acceleration: float, level: float) -> tuple[float, ...]:
    """Efron 1987: Φ(z0 + (z0 + z) / (1 - a (z0 + z))), equal replicates counting half."""
    below = ((replicates < estimate).sum() + (replicates == estimate).sum() / 2) / len(replicates)
    bias = stats.norm.ppf(below)
    z = bias + stats.norm.ppf([(1 - level) / 2, 1 - (1 - level) / 2])
    return tuple(np.quantile(replicates, stats.norm.cdf(bias + z / (1 - acceleration * z))))


@pytest.mark.parametrize("estimate", [30.0, 50.0, 62.5])
@pytest.mark.parametrize("level", [0.5, 0.9])
def test_a_bca_interval_is_efrons_formula(estimate: float, level: float) -> None:
    influence = np.array([-1.0, -1.0, -1.0, 3.0])
    acceleration = (influence**3).sum() / (6 * (influence**2).sum() ** 1.5)
    found = bca_interval(estimate, HUNDRED, [influence], level)
    assert found == pytest.approx(bca_by_the_formula(estimate, HUNDRED, acceleration, level))


def test_units_of_several_kinds_count_by_the_size_of_their_mean() -> None:
    few, many = np.array([-1.0, -1.0, 2.0]), np.array([-3.0, 1.0, 1.0, 1.0])
    scaled = np.concatenate([few / 3, many / 4])
    acceleration = (scaled**3).sum() / (6 * (scaled**2).sum() ** 1.5)
    found = bca_interval(45.0, HUNDRED, [few, many], 0.9)
    assert found == pytest.approx(bca_by_the_formula(45.0, HUNDRED, acceleration, 0.9))


def test_a_symmetric_bca_interval_is_the_percentile_interval() -> None:
    assert bca_interval(50.0, HUNDRED, [np.array([-1.0, 1.0])], 0.9) == pytest.approx((5, 95))


@pytest.mark.parametrize("estimate", [-1.0, 101.0])
def test_a_bca_interval_needs_replicates_on_both_sides(estimate: float) -> None:
    assert bca_interval(estimate, HUNDRED, [np.array([-1.0, 1.0])], 0.9) is None


def test_a_bca_interval_is_defined_as_soon_as_one_replicate_lies_on_the_other_side() -> None:
    assert bca_interval(0.5, HUNDRED, [np.array([-1.0, 1.0])], 0.9) is not None
    assert bca_interval(99.5, HUNDRED, [np.array([-1.0, 1.0])], 0.9) is not None


def test_a_bca_interval_needs_units_that_differ() -> None:
    assert bca_interval(50.0, HUNDRED, [np.zeros(4)], 0.9) is None


def test_a_bca_interval_has_no_ends_where_the_acceleration_leaves_its_range() -> None:
    """One unit of four: a = 1/6, and the bias of a high estimate takes 1 - a (z0 + z) below zero."""
    influence = np.array([0.0, 0.0, 0.0, 1.0])
    acceleration = 1 / 6
    level = 2 * NORMAL.cdf(3.9) - 1
    assert 1 - acceleration * (stats.norm.ppf(99.5 / 101) + 3.9) < 0.0
    assert bca_interval(99.0, HUNDRED, [influence], level) is None
    assert bca_interval(50.0, HUNDRED, [influence], 0.9) is not None


def test_a_studentised_interval_turns_the_quantiles_of_t_round() -> None:
    """Errors of 2: t* = (replicate - 40) / 2, quantiles -17.5 and 27.5; the estimate's own error is 3."""
    errors = np.full(101, 2.0)
    assert studentised_interval(40.0, 3.0, HUNDRED, errors, 0.9) == pytest.approx((40 - 3 * 27.5, 40 + 3 * 17.5))


def test_each_replicate_is_divided_by_its_own_error() -> None:
    errors = 1.0 + HUNDRED / 10
    ratio = (HUNDRED - 40) / errors
    low, high = np.quantile(ratio, (0.25, 0.75))
    assert studentised_interval(40.0, 3.0, HUNDRED, errors, 0.5) == pytest.approx((40 - 3 * high, 40 - 3 * low))


def test_replicates_without_an_error_are_left_out_as_long_as_they_are_few() -> None:
    replicates = np.concatenate([HUNDRED, HUNDRED, [1e6, -1e6]])
    errors = np.full(len(replicates), 2.0)
    errors[-2:] = SMALL_ERROR * 3.0  # two of 204: less than one of a hundred
    found = studentised_interval(40.0, 3.0, replicates, errors, 0.9)
    assert found == pytest.approx(studentised_interval(40.0, 3.0, replicates[:-2], errors[:-2], 0.9))


@pytest.mark.parametrize(("left_out", "defined"), [(1, True), (2, False)])
def test_with_more_than_one_of_a_hundred_left_out_there_is_no_studentised_interval(
    left_out: int, defined: bool
) -> None:
    assert MOST_LEFT_OUT == 0.01
    errors = np.ones(100)
    errors[:left_out] = 0.0
    assert (studentised_interval(50.0, 1.0, HUNDRED[:100], errors, 0.9) is not None) == defined


@pytest.mark.parametrize("freedom", [1.0, 4.5, 30.0, math.inf])
@pytest.mark.parametrize("level", [0.5, 0.95])
def test_a_t_interval_reaches_students_quantile_of_errors_to_both_sides(freedom: float, level: float) -> None:
    reach = 0.2 * stats.t.ppf(1 - (1 - level) / 2, freedom)
    assert t_interval(3.0, 0.2, freedom, level) == pytest.approx((3 - reach, 3 + reach))


@given(value=st.floats(-4, 4), freedom=st.sampled_from([1.0, 3.0, 12.5, math.inf]))
def test_tails_and_quantiles_of_t_are_scipys_and_undo_one_another(value: float, freedom: float) -> None:
    tail = t_tail(value, freedom)
    assert tail == pytest.approx(stats.t.sf(value, freedom), abs=1e-12)
    assert t_quantile(1 - tail, freedom) == pytest.approx(value, abs=1e-6)
