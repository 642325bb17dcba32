"""What is said of one difference: its error, its interval, its star, or why there is none."""

import numpy as np
import pytest

from probekit.statistics.difference_estimate import (
    NO_PROMPTS,
    BootstrapComparison,
    estimate_difference,
    unscored_difference,
)
from probekit.statistics.influence import Units
from probekit.statistics.interval_choice import NO_SPREAD, TOO_FEW_FOR_INTERVAL, TOO_FEW_PROMPTS, Evidence, t_test


def evidence(prompts: int = 60, shift: float = 1.0, replicates: int = 400) -> Evidence:
    rng = np.random.default_rng(0)
    influence = rng.normal(size=(prompts, 1))
    influence -= influence.mean()
    units = Units(influence, np.array([float(prompts)]), np.array([max(prompts - 1.0, 1.0)]))
    return Evidence(shift, shift + 0.1 * rng.normal(size=replicates), [units], 1.0, prompts)


def estimate(given: Evidence):  # type: ignore[no-untyped-def]
    return estimate_difference("x", (3.0, 2.0), given, interval="percentile", level=0.9, unit="percent")


def test_error_and_interval_are_those_of_the_replicates_that_have_a_value() -> None:
    given = evidence()
    lost = given._replace(replicates=np.append(given.replicates, np.nan))
    for one in (given, lost):
        found = estimate(one)
        assert found[:4] == ("x", 3.0, 2.0, 1.0)
        assert (found.n_prompts, found.unit, found.interval, found.instead) == (60, "percent", "percentile", None)
        assert found.standard_error == pytest.approx(given.replicates.std(ddof=1))
        assert found.closed_form_error == pytest.approx(given.units[0].influence.std() / 60**0.5)
        assert (found.low, found.high) == pytest.approx(tuple(np.quantile(given.replicates, [0.05, 0.95])))
        assert found.reason is None


def test_a_p_value_stands_where_runs_are_resampled_and_there_is_an_interval() -> None:
    assert estimate(evidence()).p_value is None
    assert estimate(evidence()._replace(runs=3)).p_value == t_test(evidence())
    assert estimate(evidence(prompts=5)._replace(runs=3)).p_value is None


@pytest.mark.parametrize(("shift", "star"), [(1.0, True), (-1.0, True), (0.0, False)])
def test_a_star_is_an_interval_without_zero(shift: float, star: bool) -> None:
    assert estimate(evidence(shift=shift)).star is star


def test_one_prompt_has_a_difference_and_nothing_more() -> None:
    found = estimate(evidence(prompts=1))
    assert found.difference == 1.0
    assert (found.standard_error, found.closed_form_error, found.low, found.high) == (None,) * 4
    assert (found.star, found.reason) == (False, TOO_FEW_PROMPTS)


def test_few_prompts_have_an_error_and_no_interval() -> None:
    found = estimate(evidence(prompts=5))
    assert found.standard_error is not None
    assert (found.low, found.high, found.star, found.interval) == (None, None, False, None)
    assert found.reason == TOO_FEW_FOR_INTERVAL


@pytest.mark.parametrize(("replicates", "known"), [(0, False), (1, False), (2, True)])
def test_an_error_needs_two_replicates_with_a_value(replicates: int, known: bool) -> None:
    given = evidence(replicates=replicates)
    found = estimate(given._replace(replicates=np.append(given.replicates, [np.nan] * 3)))
    assert (found.standard_error is not None) is known
    assert (found.low is not None) is known


def test_a_dimension_that_no_prompt_is_scored_for_says_so() -> None:
    found = unscored_difference("color")
    assert found == ("color", None, None, None, None, None, None, False, 0, "raw", NO_PROMPTS, None, None, None, None)


def test_estimates_are_the_dimensions_and_the_composites_that_exist() -> None:
    color, total = unscored_difference("color"), unscored_difference("total")
    assert BootstrapComparison((color,), None, None, total, (), 10, 0.95).estimates() == (color, total)
    assert NO_SPREAD != NO_PROMPTS
