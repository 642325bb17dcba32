"""The exchange test: its level under the null, its power, and by hand."""

import itertools

import numpy as np
import pytest

from probekit.statistics.exchange import exchange_test
from probekit.statistics.paired_means import NO_RATIO, paired_decibels, paired_means


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_the_p_value_is_the_share_of_all_exchanges_that_reach_as_far() -> None:
    values = np.array([[0.0, 3.0, 5.0], [1.0, 2.0, 4.0], [2.0, 2.5, 0.5]])
    contrasts = (values.sum(axis=1, keepdims=True) - values) / 2 - values
    every = [contrasts[range(3), list(choice)].mean() for choice in itertools.product(range(3), repeat=3)]
    observed = contrasts[:, 0].mean()
    exact = np.mean(np.abs(every) >= abs(observed) - 1e-12)
    found = exchange_test("x", values, rng=rng(), permutations=20_000)
    assert found.p_value == pytest.approx(exact, abs=0.015)
    assert found.estimate.difference == pytest.approx(observed)
    differences = contrasts[:, 0]
    assert found.effect == pytest.approx(differences.mean() / differences.std(ddof=1))


def exact_draws(values: np.ndarray, contrasts: np.ndarray, permutations: int, replicates: int) -> int:
    """How many draws reach as far as the observed places, by a loop; the interval's replicates are drawn first."""
    draws = rng()
    draws.integers(0, len(values), size=(replicates, len(values)))
    places = draws.integers(0, values.shape[1], size=(permutations, len(values)))
    observed = abs(sum(contrasts[:, 0]))
    each = [abs(sum(contrasts[prompt][place] for prompt, place in enumerate(drawn))) for drawn in places]
    return sum(one >= observed - 1e-9 for one in each)


@pytest.mark.parametrize("scale", [1.0, -1.0, 1e-6])
def test_the_observed_places_are_one_of_the_draws(scale: float) -> None:
    """Thirds tie mathematically, not to the last bit; 1,100 draws are made in three parts."""
    values = np.array([[1.0, 2.0, 4.0, 4.0], [1.0, 5.0, 1.0, 2.0], [0.0, 1.0, 2.0, 2.0], [3.0, 3.0, 1.0, 4.0]]) * scale
    contrasts = np.array([[(sum(row) - one) / 3 - one for one in row] for row in values / scale])
    found = exchange_test("x", values, rng=rng(), permutations=1_100, replicates=30)
    reached = exact_draws(values, contrasts, 1_100, 30)
    assert found.p_value == pytest.approx((reached + 1) / 1_101, rel=1e-12)
    assert found.estimate.standard_error is not None


def test_by_default_there_are_ten_thousand_permutations_and_replicates() -> None:
    values = rng(7).uniform(size=(6, 3))
    assert exchange_test("x", values, rng=rng()) == exchange_test(
        "x", values, rng=rng(), permutations=10_000, replicates=10_000
    )


def test_an_effect_is_told_from_rounding_by_the_size_of_the_values() -> None:
    """A spread of 1e-5 of the values is one; one of 1e-9 of them is none, whoever has the large value."""
    shape = np.array([[0.0, 1.0, 1.0], [0.0, 2.0, 2.0], [0.0, 3.0, 3.0]])
    assert exchange_test("x", 1e-3 + 1e-8 * shape, rng=rng(), permutations=2, replicates=2).effect == pytest.approx(2)
    assert exchange_test("x", -1.0 + 1e-9 * shape, rng=rng(), permutations=2, replicates=2).effect is None


def test_two_prompts_have_a_p_value_and_none_have_nothing() -> None:
    assert exchange_test("x", np.array([[0.0, 1.0], [0.0, 2.0]]), rng=rng(), permutations=9).p_value is not None
    nothing = exchange_test("x", np.empty((0, 3)), rng=rng())
    assert (nothing.estimate.difference, nothing.effect, nothing.p_value) == (None, None, None)


def test_a_further_item_is_hardly_ever_told_apart() -> None:
    draws = rng(1)
    p = [exchange_test("x", draws.gamma(1.0, size=(12, 9)), rng=draws, permutations=400, replicates=100).p_value
         for _ in range(200)]  # fmt: skip
    assert 0.01 < np.mean(np.array(p) < 0.1) < 0.17


def test_a_candidate_that_is_always_least_is_told_apart() -> None:
    values = rng(2).uniform(1, 2, size=(20, 9))
    values[:, 0] = 0.9
    found = exchange_test("x", values, rng=rng(), permutations=2000)
    assert found.p_value is not None
    assert found.p_value < 0.01
    assert found.estimate.low is not None
    assert found.estimate.low > 0


def test_one_prompt_says_nothing() -> None:
    found = exchange_test("x", np.array([[0.0, 1.0]]), rng=rng())
    assert found.p_value is None
    assert found.estimate.low is None


def test_decibels_are_ten_times_the_logarithm_of_the_ratio_of_means() -> None:
    a, b = rng(3).gamma(2.0, size=(2, 60)) * np.array([[10.0], [1.0]])
    found = paired_decibels("x", a, b, rng=rng())
    assert found.difference == pytest.approx(10 * np.log10(a.mean() / b.mean()))
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.difference < found.high
    assert found.closed_form_error == pytest.approx(found.standard_error, rel=0.1)
    assert found.star


def test_decibels_do_not_depend_on_the_unit_of_the_errors() -> None:
    a, b = rng(4).gamma(2.0, size=(2, 60))
    one, other = (paired_decibels("x", scale * a, scale * b, rng=rng()) for scale in (1.0, 1e-6))
    assert one.difference == pytest.approx(other.difference)
    assert one.low == pytest.approx(other.low)


def test_equal_errors_are_no_decibels_apart_and_zero_errors_have_no_ratio() -> None:
    same = rng(5).gamma(2.0, size=20)
    assert paired_decibels("x", same, same, rng=rng()).difference == pytest.approx(0)
    assert not paired_decibels("x", same, same, rng=rng()).star
    none = paired_decibels("x", same, np.zeros(20), rng=rng())
    assert none.difference is None
    assert none.reason == NO_RATIO
    assert none.n_prompts == 20
    assert paired_decibels("x", np.array([]), np.array([]), rng=rng()).n_prompts == 0
    assert paired_means("x", same, np.zeros(20), rng=rng()).difference == pytest.approx(same.mean())
