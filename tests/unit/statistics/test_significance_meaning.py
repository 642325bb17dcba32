"""Tests of significance against counts and variances worked out by hand."""

import warnings

import numpy as np
import pytest

from probekit.statistics.paired_units import PairedSamples, split_by_shared_prompts
from probekit.statistics.significance import sign_flip_p_values, standardised_effect, variance_shares
from tests.helpers.paired_scores import one_component, prompts


def test_a_random_permutation_test_counts_the_observed_pattern() -> None:
    """All of 40 prompts gain the same: no random pattern reaches it, so p is 1 of the patterns and the observed one."""
    rng = np.random.default_rng(0)
    found = sign_flip_p_values([one_component(np.ones(40))], np.eye(1), rng, permutations=99)
    assert found[0] == pytest.approx(1 / 100)


def test_an_exact_permutation_test_counts_both_tails() -> None:
    found = sign_flip_p_values([one_component(np.ones(5))], np.eye(1), np.random.default_rng(0))
    assert found[0] == pytest.approx(2 / 2**5)


def test_a_pattern_that_leaves_a_method_without_any_score_counts() -> None:
    """The method has a score of one prompt, the baseline of the other: half of the patterns compare with nothing."""
    pair = PairedSamples(prompts(2), np.array([[[0.9], [np.nan]], [[np.nan], [0.5]]]))
    components = split_by_shared_prompts({"d": pair}, "video-mean")
    assert sign_flip_p_values(components, np.eye(1), np.random.default_rng(0)).tolist() == [1.0]


def test_components_of_unlike_size_share_a_variance_by_that_of_their_means() -> None:
    """Dimension 0 rests on 4 prompts, dimension 1 on 16, with equal spread: variances of the means 1/4 and 1/16."""
    few, many = np.tile([1.0, -1.0], 2), np.tile([1.0, -1.0], 8)
    influence = [np.column_stack([few, 0 * few, few]), np.column_stack([0 * many, many, many])]
    slopes = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    shares = variance_shares(influence, slopes, quantity=2, dimensions=2)
    np.testing.assert_allclose(shares, [(1 / 4) / (1 / 4 + 1 / 16), (1 / 16) / (1 / 4 + 1 / 16)])


def test_what_does_not_vary_has_shares_of_0_and_one_prompt_has_no_effect() -> None:
    with np.errstate(all="raise"):
        shares = variance_shares([np.zeros((4, 2))], np.eye(2), quantity=0, dimensions=2)
    assert shares.tolist() == [0.0, 0.0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert standardised_effect(np.array([0.3])) is None


def test_a_covariance_is_split_in_halves() -> None:
    one = np.array([1.0, -1.0, 2.0, -2.0])
    influence = [np.column_stack([one, 3 * one, 4 * one])]
    shares = variance_shares(influence, np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), quantity=2, dimensions=2)
    np.testing.assert_allclose(shares, [(1 + 3) / 16, (9 + 3) / 16])
