"""Few prompts, no spread, almost none, one prompt: a named interval or a reason, whatever is asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from probekit.seeding import generator
from probekit.statistics.bootstrap_settings import BootstrapSettings
from probekit.statistics.difference_estimate import DifferenceEstimate
from probekit.statistics.group_bootstrap import group_bootstrap
from probekit.statistics.influence import Units
from probekit.statistics.interval_choice import (
    MIN_BOOTSTRAP_UNITS,
    NO_SPREAD,
    TOO_FEW_FOR_INTERVAL,
    TOO_FEW_PROMPTS,
    TOO_FEW_RUNS,
    Evidence,
    Interval,
    choose_interval,
)
from probekit.statistics.paired_means import paired_means
from probekit.statistics.paired_units import PairedSamples, Runs
from probekit.suites.dimension_constants import SPRITE_CONSTANTS, VBENCH_CONSTANTS, DimensionConstant
from tests.helpers.paired_scores import Floats, prompts

ALL = [
    (method, interval)
    for method in ("paper", "joint", "two-level", "runs")
    for interval in ("percentile", "basic", "bca", "studentised", "t")
    if interval != "studentised" or method in ("paper", "joint")
]
ONE_RUN = [case for case in ALL if case[0] != "runs"]


def only(differences: Floats, method: str, interval: str, runs: int = 3, base: float = 0.3) -> DifferenceEstimate:
    """Compare scores that differ by (P,) or (P, S), in one dimension; each of several training runs alike."""
    wide = np.asarray(differences, dtype=np.float64).reshape(len(differences), -1)
    count = runs if method == "runs" else 1
    values = np.concatenate([np.tile(base + wide, (count, 1, 1)), np.tile(np.full_like(wide, base), (count, 1, 1))])
    chosen = BootstrapSettings.model_validate({"resampling": method, "interval": interval, "replicates": 400})
    pairs = {"dynamic_degree": PairedSamples(prompts(len(wide)), values)}
    found = group_bootstrap(pairs, VBENCH_CONSTANTS, chosen, rng=generator("choice"), runs=Runs(count, count))
    return found.dimensions[0]


@pytest.mark.parametrize(("method", "interval"), ALL)
@pytest.mark.parametrize("difference", [0.0, 0.1, -0.7])
@pytest.mark.parametrize("count", [6, 60])
def test_equal_differences_have_a_reason_and_no_star(method: str, interval: str, difference: float, count: int) -> None:
    found = only(np.full(count, difference), method, interval)
    assert found.difference == pytest.approx(difference)
    assert found.standard_error == pytest.approx(0, abs=1e-12)
    assert (found.low, found.high, found.star, found.reason) == (None, None, False, NO_SPREAD)


@pytest.mark.parametrize(("method", "interval"), ALL)
@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_differences_that_are_equal_but_for_rounding_are_equal(method: str, interval: str, kind: type) -> None:
    rng = generator("rounding")
    base = rng.random((1, 60, 1)).astype(kind)
    better = (base + kind(0.1)).astype(kind)
    count = 2 if method == "runs" else 1
    values = np.concatenate([np.tile(better, (count, 1, 1)), np.tile(base, (count, 1, 1))]).astype(np.float64)
    pairs = {"color": PairedSamples(prompts(60), values)}
    chosen = BootstrapSettings.model_validate({"resampling": method, "interval": interval, "replicates": 100})
    found = group_bootstrap(pairs, SPRITE_CONSTANTS, chosen, rng=generator("choice"), runs=Runs(count, count))
    assert np.ptp(values[0] - values[-1]) > 0  # they are not equal to the last bit
    assert (found.dimensions[0].star, found.dimensions[0].reason) == (False, NO_SPREAD)


@pytest.mark.parametrize(("method", "interval"), ALL)
@pytest.mark.parametrize(
    "differences", [[0] * 6 + [1], [-1] * 9 + [0], [0] * 59 + [1], [1] * 98 + [0] * 2, [0] * 30 + [1e-3]]
)
def test_almost_equal_differences_have_a_sane_interval(method: str, interval: str, differences: list[float]) -> None:
    found = only(np.array(differences, dtype=float), method, interval)
    assert found.low is not None
    assert found.high is not None
    reach = 4 * np.std(differences, ddof=1) / np.sqrt(len(differences))
    assert (
        np.mean(differences) - reach <= found.low <= np.mean(differences) <= found.high <= np.mean(differences) + reach
    )
    if found.interval != interval:
        assert (found.interval, bool(found.instead)) == ("t", True)


@pytest.mark.parametrize("interval", ["percentile", "basic", "bca", "studentised", "t"])
def test_seven_prompts_of_which_one_differs_have_students_interval(interval: str) -> None:
    differences = np.array([0.0] * 6 + [1.0])
    found = only(differences, "joint", interval)
    expected = stats.ttest_1samp(differences, 0).confidence_interval()
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.interval == "t"


@pytest.mark.parametrize(("method", "interval"), ALL)
def test_few_prompts_have_no_interval_and_one_no_error(method: str, interval: str) -> None:
    rng = generator("few")
    five, one = only(rng.random(5), method, interval), only(rng.random(1), method, interval)
    assert (five.low, five.star, five.reason) == (None, False, TOO_FEW_FOR_INTERVAL)
    assert five.standard_error is not None
    assert (one.low, one.standard_error, one.reason) == (None, None, TOO_FEW_PROMPTS)


def test_one_training_run_has_no_error_over_runs() -> None:
    found = only(generator("few").random(60), "runs", "t", runs=1)
    assert (found.low, found.star, found.standard_error, found.reason) == (None, False, None, TOO_FEW_RUNS)


@pytest.mark.parametrize(("method", "interval"), ONE_RUN)
def test_few_prompts_get_students_interval_by_name_and_many_what_is_asked(method: str, interval: str) -> None:
    rng = generator("threshold")
    few, many = (
        only(rng.normal(size=(n, 2)), method, interval) for n in (MIN_BOOTSTRAP_UNITS - 1, MIN_BOOTSTRAP_UNITS)
    )
    kept = interval in ("t", "studentised")
    assert (few.interval, few.instead) == (interval if kept else "t", None if kept else "fewer than 50 prompts")
    assert (many.interval, many.instead) == (interval, None)


@pytest.mark.slow
@pytest.mark.parametrize("count", [6, 10, 25])
def test_stars_of_few_prompts_hold_their_level(count: int) -> None:
    """`benchmarks/small_samples.py` does this at full size; percentiles would give 15, 9.5 and 7.3 %."""
    rng, stars = generator("level", count), 0
    for _ in range(800):
        stars += only(rng.normal(0, 0.1, count), "joint", "percentile").star
    assert stats.binomtest(stars, 800, 0.05).pvalue > 0.01


def test_a_dimension_with_few_prompts_among_many_has_their_freedom() -> None:
    """Resampled with ninety prompts of other dimensions, ten scored ones are still ten."""
    rng = generator("few among many")
    ten, hundred = rng.normal(0.1, 0.2, (10, 1)), rng.normal(0.1, 0.2, (100, 1))
    pairs = {
        name: PairedSamples(prompts(len(d)), np.stack([0.5 + d, np.full_like(d, 0.5)]))
        for name, d in (("object_permanence", ten), ("color", hundred))
    }
    chosen = BootstrapSettings(resampling="joint", replicates=200)
    found = group_bootstrap(pairs, SPRITE_CONSTANTS, chosen, rng=generator("choice"))
    expected = stats.ttest_1samp(ten[:, 0], 0).confidence_interval()
    assert (found.dimensions[0].low, found.dimensions[0].high) == pytest.approx((expected.low, expected.high))


def test_replicates_that_drew_nothing_are_not_the_bootstrap() -> None:
    """Weighed by videos, sixty prompts of which the baseline has six: many replicates would lack it."""
    rng = generator("lacking")
    values = rng.random((2, 100, 1))
    values[1, 6:] = np.nan
    pairs = {"color": PairedSamples(prompts(100), values)}
    constants = (DimensionConstant("color", "semantic", 0.0, 1.0, 1.0, "test"),)
    chosen = BootstrapSettings(weighting="video-mean", replicates=300)
    (found,) = group_bootstrap(pairs, constants, chosen, rng=generator("choice")).dimensions
    assert (found.n_prompts, found.interval) == (6, "t")


@pytest.mark.parametrize("count", [1, 5, 6, 49, 50])
def test_single_means_follow_the_same_rule(count: int) -> None:
    a, b = generator("single").random((2, count))
    ours = paired_means("d", a, b, rng=generator("m"), replicates=300)
    theirs = only(a - b, "joint", "percentile")
    assert (ours.interval, ours.instead, ours.reason) == (theirs.interval, theirs.instead, theirs.reason)
    same = paired_means("d", a, a + 0.25, rng=generator("m"), replicates=300)
    assert same.reason == {1: TOO_FEW_PROMPTS, 5: TOO_FEW_FOR_INTERVAL}.get(count, NO_SPREAD)


@settings(max_examples=60, deadline=None)
@given(
    differences=st.lists(st.sampled_from([-1.0, 0.0, 0.5, 1.0]), min_size=1, max_size=12),
    case=st.sampled_from(ALL),
)
def test_yes_and_no_answers_never_give_an_interval_beyond_reason(
    differences: list[float], case: tuple[str, str]
) -> None:
    found = only(np.array(differences), *case)
    if found.low is None or found.high is None:
        assert found.reason is not None
        assert not found.star
    else:
        assert -4 <= found.low <= found.high <= 4
        assert found.interval is not None


@pytest.mark.parametrize(
    ("low", "high", "excluded"),
    [
        (0.1, 0.2, True),
        (-0.2, -0.1, True),
        (-0.1, 0.1, False),
        (0.0, 0.1, False),
        (-0.1, 0.0, False),
        (None, None, False),
    ],
)
def test_a_star_is_an_interval_that_lies_wholly_on_one_side_of_zero(
    low: float | None, high: float | None, excluded: bool
) -> None:
    assert Interval(low, high).excludes_zero() == excluded


def evidence(prompts_behind: int = 50, runs: int | None = None, unscored: int = 0) -> Evidence:
    """A hundred replicates of a difference of 0.2, and units of one normal spread."""
    rng = generator("evidence")
    units = Units(rng.normal(size=(prompts_behind, 1)), np.array([prompts_behind]), np.array([prompts_behind - 1.0]))
    replicates = 0.2 + rng.normal(0, 0.1, 100)
    replicates[:unscored] = np.nan
    return Evidence(0.2, replicates, [units], 1.0, prompts_behind, runs)


@pytest.mark.parametrize(
    ("given_evidence", "instead"),
    [
        (evidence(50), None),
        (evidence(49), "fewer than 50 prompts"),
        (evidence(runs=50), None),
        (evidence(runs=49), "fewer than 50 training runs"),
        (evidence(unscored=1), None),
        (evidence(unscored=2), "many replicates drew no scored prompt"),
    ],
)
def test_replicates_are_trusted_from_fifty_units_and_up_to_one_in_a_hundred_without_a_value(
    given_evidence: Evidence, instead: str | None
) -> None:
    found = choose_interval(given_evidence, "percentile", 0.95)
    assert (found.kind, found.instead) == ("percentile" if instead is None else "t", instead)
    assert found.low is not None
    if instead is None:
        low, high = np.nanquantile(given_evidence.replicates, [0.025, 0.975])
        assert (found.low, found.high) == pytest.approx((low, high), abs=0.02)


@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.floats(-0.05, 0.05))
def test_the_p_value_over_runs_is_below_five_in_a_hundred_where_the_interval_excludes_zero(
    seed: int, runs: int, effect: float
) -> None:
    """With few runs the interval is Student's, and both are of one error and its freedom."""
    rng = np.random.default_rng(seed)
    b = rng.normal(0.5, 0.1, (runs, 60))
    a = b + effect + rng.normal(0, 0.02, (runs, 1)) + rng.normal(0, 0.05, b.shape)
    found = paired_means("m", a, b, rng=generator("p"), replicates=20)
    assert found.p_value is not None
    assert 0 <= found.p_value <= 1
    assert (found.p_value < 0.05) == found.star


def test_single_runs_have_no_p_value_over_runs() -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 60))
    assert paired_means("m", a, b, rng=generator("p"), replicates=20).p_value is None


def test_equal_runs_and_prompts_give_the_paired_t_test_of_the_runs() -> None:
    """Where prompts do not differ, what is left is Student's paired test, as scipy has it."""
    runs = np.array([0.31, 0.36, 0.29, 0.40])
    b = np.full((4, 60), 0.3)
    found = paired_means("m", np.repeat(runs[:, None], 60, axis=1), b, rng=generator("p"), replicates=20)
    assert found.p_value == pytest.approx(stats.ttest_1samp(runs - 0.3, 0).pvalue)
