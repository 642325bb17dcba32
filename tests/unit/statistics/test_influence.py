"""Influences as derivatives, and the errors and degrees of freedom that follow, by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray

from probekit.statistics.influence import (
    Units,
    closed_form_errors,
    contributions,
    influences,
    own_slopes,
    prompt_units,
    run_units,
    score_sizes,
    seed_units,
    unbiased_errors,
    welch_freedom,
)
from probekit.statistics.paired_units import (
    Component,
    PairedSamples,
    Runs,
    point_means,
    split_by_dimension,
    split_by_shared_prompts,
)

Floats = NDArray[np.float64]
SLOPES = np.array([[1.0, 0.0], [0.0, 1.0], [2.0, -3.0]])
"""Two dimensions and a composite."""


def components(series: int = 2, weighting: str = "frame-weighted") -> list[Component]:
    """A dimension of four prompts and one of six, each with two samples of unlike frame counts."""
    rng = np.random.default_rng(4)
    pairs = {}
    for name, count in (("color", 4), ("scene", 6)):
        prompts = tuple(f"{name} {index}" for index in range(count))
        frames = rng.integers(1, 9, size=(series, count, 2)).astype(float)
        pairs[name] = PairedSamples(prompts, rng.normal(size=(series, count, 2)), frames)
    return split_by_dimension(pairs, weighting)  # type: ignore[arg-type]


def difference(parts: list[Component], weights: list[Floats], runs: Runs) -> Floats:
    """Quantities' differences where each prompt counts with a weight."""
    means = [
        np.einsum("lpk,p->lk", part.numerator, weight) / np.einsum("lpk,p->lk", part.denominator, weight)
        for part, weight in zip(parts, weights, strict=True)
    ]
    return runs.signs() @ np.concatenate(means, axis=1) @ SLOPES.T


@pytest.mark.parametrize("runs", [Runs(1, 1), Runs(2, 1)])
def test_an_influence_is_the_derivative_by_a_prompts_weight(runs: Runs) -> None:
    parts = components(series=runs.method + runs.baseline)
    ones = [np.ones(4), np.ones(6)]
    found = influences(parts, SLOPES, runs)
    for which, prompt in ((0, 0), (0, 3), (1, 5)):
        heavier = [weight.copy() for weight in ones]
        heavier[which][prompt] += 1e-6
        derivative = (difference(parts, heavier, runs) - difference(parts, ones, runs)) / 1e-6
        np.testing.assert_allclose(found[which][prompt] / len(ones[which]), derivative, atol=1e-5)
    for z in found:
        np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-12)


def test_contributions_of_prompts_add_up_to_the_difference() -> None:
    parts = components()
    total = sum(one.mean(axis=0) for one in contributions(parts, SLOPES))
    np.testing.assert_allclose(total, difference(parts, [np.ones(4), np.ones(6)], Runs()))


def test_each_component_has_the_columns_of_its_dimensions() -> None:
    first, second = own_slopes(components(), SLOPES)
    np.testing.assert_array_equal(first, SLOPES[:, :1])
    np.testing.assert_array_equal(second, SLOPES[:, 1:])


def test_prompts_of_a_component_bear_on_the_quantities_that_its_dimensions_feed() -> None:
    """Of six prompts of the second dimension one has no score of the baseline: five are left, freedom 4."""
    parts = components(weighting="prompt-mean")
    gap = parts[1].denominator.copy()
    gap[:, 2] = 0
    parts[1] = parts[1]._replace(denominator=gap, numerator=np.where(gap > 0, parts[1].numerator, 0))
    first, second = prompt_units(parts, SLOPES)
    assert first.active.tolist() == [4, 4, 4]  # on the second dimension it has no influence at all
    assert second.active.tolist() == [6, 5, 5]
    assert second.freedom.tolist() == [5, 4, 4]
    np.testing.assert_allclose(first.influence, influences(parts, SLOPES)[0])
    one = second.of(1)
    np.testing.assert_array_equal(one.influence, second.influence[:, 1:2])
    assert (one.active.tolist(), one.freedom.tolist()) == ([5], [4])


def test_a_single_prompt_has_a_freedom_of_one_at_least() -> None:
    pair = PairedSamples(("a",), np.array([[[1.0]], [[2.0]]]))
    assert prompt_units(split_by_dimension({"color": pair}), np.eye(1))[0].freedom.tolist() == [1]


def test_runs_are_units_of_each_method_and_prompts_beside_both_are_the_rest() -> None:
    runs = Runs(2, 3)
    parts = components(series=5)
    scores = point_means(parts) @ SLOPES.T
    method, *rest = run_units(parts, SLOPES, runs)
    baseline = rest[2]
    np.testing.assert_allclose(method.influence, scores[:2] - scores[:2].mean(axis=0))
    np.testing.assert_allclose(baseline.influence, scores[2:].mean(axis=0) - scores[2:])
    assert method.freedom.tolist() == [1, 1, 1]
    assert baseline.freedom.tolist() == [2, 2, 2]
    assert [len(one.influence) for one in rest] == [2 * 4, 2 * 6, 3, 3 * 4, 3 * 6]
    assert all(np.isinf(rest[place].freedom).all() for place in (0, 1, 3, 4))
    each = parts[0].centred()[:2] @ SLOPES.T[:1]
    np.testing.assert_allclose(rest[0].influence.reshape(2, 4, 3), each - each.mean(axis=0))
    other = parts[1].centred()[2:] @ SLOPES.T[1:]
    np.testing.assert_allclose(rest[4].influence.reshape(3, 6, 3), other.mean(axis=0) - other)


def test_pairs_of_runs_are_units_together() -> None:
    parts = components(series=6)
    scores = point_means(parts) @ SLOPES.T
    pairs, *rest = run_units(parts, SLOPES, Runs(3, 3, paired=True))
    differences = scores[:3] - scores[3:]
    np.testing.assert_allclose(pairs.influence, differences - differences.mean(axis=0))
    assert pairs.freedom.tolist() == [2, 2, 2]
    assert [len(one.influence) for one in rest] == [3 * 4, 3 * 6]
    each = (parts[1].centred()[:3] - parts[1].centred()[3:]) @ SLOPES.T[1:]
    np.testing.assert_allclose(rest[1].influence.reshape(3, 6, 3), each - each.mean(axis=0))


def test_a_single_run_has_no_spread_and_any_freedom() -> None:
    method = run_units(components(), SLOPES, Runs(1, 1))[0]
    assert not method.influence.any()
    assert method.freedom.tolist() == [1, 1, 1]


def test_samples_of_a_prompt_are_units_around_their_mean() -> None:
    """Scores 1 and 3 against 5 and 5; a prompt with one sample has no spread, one without any no units."""
    nan = np.nan
    values = np.array([[[1.0, 3.0], [4.0, nan], [2.0, 2.0]], [[5.0, 5.0], [9.0, nan], [0.0, 1.0]]])
    (part,) = split_by_dimension({"color": PairedSamples(("a", "b", "c"), values)})
    (units,) = seed_units([part], np.array([[1.0], [2.0]]))
    expected = np.array([-1.0, 1.0, 0.0, 0.0, 0.5, -0.5])  # (1 - 2) - (5 - 5) and so on; (2 - 2) - (0 - 0.5)
    np.testing.assert_allclose(units.influence, np.column_stack([expected, 2 * expected]))
    assert units.freedom.tolist() == [1 + 0 + 1] * 2
    assert units.active.tolist() == [6, 6]


def test_samples_of_a_prompt_that_one_side_lacks_are_no_units() -> None:
    nan = np.nan
    values = np.array([[[1.0, 3.0], [4.0, 6.0], [0.0, 8.0]], [[5.0, 5.0], [nan, nan], [0.0, 0.0]]])
    (part,) = split_by_dimension({"color": PairedSamples(("a", "b", "c"), values)})
    (units,) = seed_units([part], np.eye(1))
    assert units.influence[:, 0] == pytest.approx([-1.5, 1.5, 0, 0, -6, 6])  # two of three prompts count: each for 3/2
    assert units.freedom.tolist() == [2]


def test_a_sample_of_a_prompt_with_fewer_counts_for_more() -> None:
    """Two of three samples: each counts 3/2, so that units of all prompts may be drawn alike."""
    values = np.array([[[1.0, 3.0, np.nan], [0.0, 0.0, 0.0]], [[0.0, 0.0, np.nan], [0.0, 0.0, 0.0]]])
    (part,) = split_by_dimension({"color": PairedSamples(("a", "b"), values)})
    (units,) = seed_units([part], np.eye(1))
    assert units.influence[:, 0].tolist() == [-1.5, 1.5, 0, 0, 0, 0]


def test_a_sample_that_one_side_lacks_leaves_the_others_their_mean() -> None:
    values = np.array([[[1.0, 3.0, np.nan]], [[0.0, 6.0, 0.0]]])
    (part,) = split_by_dimension({"color": PairedSamples(("a",), values)})
    (units,) = seed_units([part], np.eye(1))
    assert units.influence[:, 0].tolist() == [-1.5 + 2, 1.5 - 4, 0 + 2]  # 3/2 of -1 and 1; then 0, 6 and 0 around 2


def test_a_sample_moves_all_dimensions_that_it_is_scored_in() -> None:
    """Two prompts of two samples in two dimensions, of which the composite takes 2 and -3."""
    values = np.random.default_rng(0).normal(size=(2, 2, 2, 2))  # dimension, series, prompt, sample
    pairs = {name: PairedSamples(("a", "b"), one) for name, one in zip(("color", "scene"), values, strict=True)}
    (units,) = seed_units(split_by_shared_prompts(pairs), SLOPES)
    rest = values - values.mean(axis=-1, keepdims=True)
    color, scene = ((one[0] - one[1]).ravel() for one in rest)
    np.testing.assert_allclose(units.influence, np.column_stack([color, scene, 2 * color - 3 * scene]))


def test_each_prompt_has_as_many_degrees_of_freedom_as_samples_but_one() -> None:
    assert [units.freedom.tolist() for units in seed_units(components(), SLOPES)] == [[4, 4, 4], [6, 6, 6]]


def kinds() -> list[Units]:
    """Two prompts with the influence ±3 and four samples with ±1."""
    prompts = Units(np.array([[3.0], [-3.0]]), np.array([2.0]), np.array([1.0]))
    samples = Units(np.array([[1.0], [-1.0], [1.0], [-1.0]]), np.array([4.0]), np.array([3.0]))
    return [prompts, samples]


def test_errors_add_the_variances_of_means_over_kinds_of_units() -> None:
    """9 / 2 of the prompts and 1 / 4 of the samples; without bias 9 / 1 and 1 / 3."""
    assert closed_form_errors(kinds()) == pytest.approx(np.sqrt([4.5 + 0.25]))
    assert unbiased_errors(kinds()) == pytest.approx(np.sqrt([9 + 1 / 3]))


def test_degrees_of_freedom_are_satterthwaites() -> None:
    """(9 + 1/3)² / (9² / 1 + (1/3)² / 3)."""
    assert welch_freedom(kinds()) == pytest.approx([(9 + 1 / 3) ** 2 / (81 + 1 / 27)])
    assert welch_freedom(kinds()[1:]) == pytest.approx([3.0])


def test_a_spread_of_nothing_has_any_freedom() -> None:
    nothing = Units(np.zeros((3, 1)), np.array([3.0]), np.array([2.0]))
    assert np.isinf(welch_freedom([nothing])).all()


def test_sizes_of_scores_are_the_largest_of_each_dimension_under_the_slopes() -> None:
    parts = components()
    largest = [float(np.abs(part.samples).max()) for part in parts]
    expected = [largest[0], largest[1], 2 * largest[0] + 3 * largest[1]]
    np.testing.assert_allclose(score_sizes(parts, SLOPES), expected)
