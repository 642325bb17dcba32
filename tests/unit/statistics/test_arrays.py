"""Arrays compared in one call: what is handed on, and what is refused."""

import re
from typing import Any

import numpy as np
import pytest

from probekit.errors import UserError
from probekit.seeding import generator
from probekit.statistics.arrays import compare_means
from probekit.statistics.paired_means import paired_means

A, B = np.random.default_rng(0).random((2, 60))


def test_arrays_are_compared_by_the_paired_bootstrap_with_all_that_is_asked_for() -> None:
    asked: dict[str, Any] = {"replicates": 40, "level": 0.8, "interval": "basic"}
    found = compare_means(list(A), list(B), seed=3, **asked)
    assert found == paired_means("difference", A, B, rng=generator("compare-means", 3), **asked)
    assert found.interval == "basic"


def test_by_default_the_seed_is_0_and_ten_thousand_replicates_give_percentiles_at_95_percent() -> None:
    expected = compare_means(A, B, seed=0, replicates=10_000, level=0.95, interval="percentile")
    assert compare_means(A, B) == expected


@pytest.mark.parametrize(
    ("a", "b", "shapes"),
    [
        ([1.0, 2.0], [1.0], "(2,) and (1,)"),
        ([1.0], [1.0, 2.0], "(1,) and (2,)"),
        ([[1.0], [2.0]], [[1.0], [2.0]], "(2, 1) and (2, 1)"),
        (1.0, 2.0, "() and ()"),
        ([1.0, 2.0], [[1.0, 2.0]], "(2,) and (1, 2)"),
    ],
)
def test_arrays_that_are_not_two_rows_of_one_length_are_refused_with_their_shapes(a: Any, b: Any, shapes: str) -> None:
    with pytest.raises(UserError, match=re.escape(shapes)):
        compare_means(a, b)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("side", [0, 1])
def test_one_score_that_is_not_finite_is_refused_on_either_side(side: int, wrong: float) -> None:
    pair = [np.ones(3), np.ones(3)]
    pair[side][1] = wrong
    with pytest.raises(UserError, match="NaN or infinite"):
        compare_means(*pair)


@pytest.mark.parametrize("settings", [{"replicates": 1}, {"level": 0.0}, {"level": 1.0}, {"level": -0.5}, {"level": 2}])
def test_settings_without_an_interval_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="give no interval"):
        compare_means(A, B, **settings)


@pytest.mark.parametrize("settings", [{"replicates": 2}, {"level": 0.01}, {"level": 0.99}])
def test_settings_at_the_edge_are_taken(settings: dict[str, Any]) -> None:
    assert compare_means(A, B, **settings).low is not None
