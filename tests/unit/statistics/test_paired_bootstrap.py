import math
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probekit.errors import UserError
from probekit.evaluation.aggregation import aggregate
from probekit.seeding import generator
from probekit.statistics import resampling as module
from probekit.statistics.difference_estimate import BootstrapComparison, DifferenceEstimate
from probekit.statistics.group_bootstrap import dimension_generators
from probekit.statistics.interval_choice import NO_SPREAD
from probekit.statistics.paired_bootstrap import paired_bootstrap
from probekit.statistics.resampling import prompt_indices
from probekit.suites.dimension_constants import (
    QUALITY_WEIGHT,
    SEMANTIC_WEIGHT,
    SPRITE_CONSTANTS,
    VBENCH_CONSTANTS,
    DimensionConstant,
)

Scores = dict[str, np.ndarray]
TWO_DIMENSIONS = (
    DimensionConstant("sharpness", "quality", 0.2, 1.0, 1.0, "test"),
    DimensionConstant("subject", "semantic", 0.0, 0.5, 1.0, "test"),
)


def random_scores(seed: int, constants: tuple[DimensionConstant, ...], n_prompts: int | None = None) -> Scores:
    rng = generator("test scores", seed)
    sizes = rng.integers(50, 60, size=len(constants)) if n_prompts is None else [n_prompts] * len(constants)
    return {constant.dimension: rng.random(size) for constant, size in zip(constants, sizes, strict=True)}


def compare(
    a: Scores,
    b: Scores,
    constants: tuple[DimensionConstant, ...] = SPRITE_CONSTANTS,
    *,
    seed: int = 0,
    replicates: int = 40,
    level: float = 0.95,
) -> BootstrapComparison:
    return paired_bootstrap(a, b, constants, rng=generator("test", seed), replicates=replicates, level=level)


def shifted(scores: Scores, seed: int) -> Scores:
    rng = generator("test shift", seed)
    return {name: np.clip(values + rng.normal(0.02, 0.1, values.shape), 0, 1) for name, values in scores.items()}


def bounds(estimate: DifferenceEstimate) -> tuple[float, float, float]:
    assert estimate.standard_error is not None
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.standard_error, estimate.low, estimate.high


def composites(means: Mapping[str, float], constants: tuple[DimensionConstant, ...]) -> dict[str, float]:
    scores = aggregate(dict(means), constants)
    named = {"quality": scores.quality, "semantic": scores.semantic, "total": scores.total}
    return {name: score for name, score in named.items() if score is not None}


def test_equals_a_naive_loop_over_the_same_indices() -> None:
    constants, replicates = SPRITE_CONSTANTS, 25
    b = random_scores(1, constants)
    a = shifted(b, 1)
    generators = dimension_generators(generator("test", 0), constants)
    indices = {name: prompt_indices(generators[name], len(a[name]), replicates) for name in a}
    differences: dict[str, list[float]] = {name: [] for name in (*a, "quality", "semantic", "total")}
    for replicate in range(replicates):
        means_a, means_b = (
            {name: sum(scores[name][i] for i in indices[name][replicate]) / len(a[name]) for name in a}
            for scores in (a, b)
        )
        for name in a:
            differences[name].append(means_a[name] - means_b[name])
        composites_a, composites_b = composites(means_a, constants), composites(means_b, constants)
        for name in composites_a:
            differences[name].append(composites_a[name] - composites_b[name])
    result = compare(a, b, constants, replicates=replicates)
    assert [estimate.name for estimate in result.estimates()] == list(differences)
    for estimate in result.estimates():
        naive = differences[estimate.name]
        expected = (np.std(naive, ddof=1), np.percentile(naive, 2.5), np.percentile(naive, 97.5))
        assert bounds(estimate) == pytest.approx(expected, rel=1e-9)


def test_point_scores_are_the_aggregated_prompt_means() -> None:
    b = random_scores(2, VBENCH_CONSTANTS)
    a = shifted(b, 2)
    result = compare(a, b, VBENCH_CONSTANTS)
    means_a, means_b = ({name: float(values.mean()) for name, values in scores.items()} for scores in (a, b))
    total_a, total_b = (composites(means, VBENCH_CONSTANTS)["total"] for means in (means_a, means_b))
    for estimate in result.dimensions:
        assert (estimate.a, estimate.b) == pytest.approx((means_a[estimate.name], means_b[estimate.name]))
        assert (estimate.unit, estimate.n_prompts) == ("raw", len(a[estimate.name]))
    assert result.total is not None
    assert (result.total.a, result.total.b) == pytest.approx((total_a, total_b))
    assert result.total.difference == pytest.approx(total_a - total_b)
    assert (result.total.unit, result.total.n_prompts) == ("percent", min(map(len, a.values())))


def closed_form_errors(a: Scores, b: Scores, constants: tuple[DimensionConstant, ...]) -> dict[str, float]:
    """Exact bootstrap standard errors: every score is affine in the dimension means, whose variance is var / n."""
    variance = {name: float(np.var(a[name] - b[name])) / len(a[name]) for name in a}
    errors = {name: math.sqrt(value) for name, value in variance.items()}
    group_variance = {}
    for group in ("quality", "semantic"):
        members = [constant for constant in constants if constant.group == group]
        weights = sum(constant.weight for constant in members)
        slopes = {c.dimension: 100 * c.weight / weights / (c.high - c.low) for c in members}
        group_variance[group] = sum(slope**2 * variance[name] for name, slope in slopes.items())
        errors[group] = math.sqrt(group_variance[group])
    weighted = QUALITY_WEIGHT**2 * group_variance["quality"] + SEMANTIC_WEIGHT**2 * group_variance["semantic"]
    return {**errors, "total": math.sqrt(weighted) / (QUALITY_WEIGHT + SEMANTIC_WEIGHT)}


@pytest.mark.parametrize("constants", [VBENCH_CONSTANTS, SPRITE_CONSTANTS])
def test_standard_errors_agree_with_the_closed_form(constants: tuple[DimensionConstant, ...]) -> None:
    b = random_scores(3, constants, n_prompts=60)
    a = shifted(b, 3)
    expected = closed_form_errors(a, b, constants)
    # The relative Monte Carlo error of a standard deviation over 10,000 replicates is 0.7 %; 19 of them are compared.
    for estimate in compare(a, b, constants, replicates=10_000).estimates():
        assert bounds(estimate)[0] == pytest.approx(expected[estimate.name], rel=0.03)


def test_dimensions_are_resampled_independently() -> None:
    values = generator("test", 4).random(30)
    a: Scores = {constant.dimension: values for constant in SPRITE_CONSTANTS}
    b: Scores = {constant.dimension: np.zeros(30) for constant in SPRITE_CONSTANTS}
    result = compare(a, b, replicates=4_000)
    assert result.total is not None
    independent = closed_form_errors(a, b, SPRITE_CONSTANTS)["total"]
    assert bounds(result.total)[0] == pytest.approx(independent, rel=0.06)
    # Shared indices would give 100 * sd / sqrt(n), more than twice as much.
    assert 100 * values.std() / math.sqrt(30) > 2 * independent


def test_pairing_removes_what_the_methods_share() -> None:
    shared = random_scores(5, SPRITE_CONSTANTS, n_prompts=50)
    a = {name: values + 0.001 for name, values in shared.items()}
    result = compare(a, shared, replicates=200)
    for estimate in result.dimensions:
        assert estimate.difference == pytest.approx(0.001)
        assert estimate.standard_error == pytest.approx(0, abs=1e-12)
        assert (estimate.low, estimate.star, estimate.reason) == (None, False, NO_SPREAD)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_method_against_itself_is_exactly_zero_and_has_no_interval(seed: int) -> None:
    scores = random_scores(seed, SPRITE_CONSTANTS)
    for estimate in compare(scores, dict(scores), seed=seed).estimates():
        assert (estimate.difference, estimate.standard_error, estimate.low, estimate.star) == (0, 0, None, False)
        assert estimate.reason == NO_SPREAD


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_swapping_the_methods_flips_the_sign(seed: int) -> None:
    b = random_scores(seed, SPRITE_CONSTANTS)
    a = shifted(b, seed)
    for forward, backward in zip(compare(a, b).estimates(), compare(b, a).estimates(), strict=True):
        error, low, high = bounds(forward)
        assert forward.difference == -(backward.difference or 0.0)
        assert bounds(backward) == pytest.approx((error, -high, -low), abs=1e-12)
        assert forward.star == backward.star


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), constant=st.floats(-0.5, 0.5))
def test_adding_a_constant_to_both_changes_no_difference(seed: int, constant: float) -> None:
    b = random_scores(seed, SPRITE_CONSTANTS)
    a = shifted(b, seed)
    moved_a, moved_b = ({name: values + constant for name, values in scores.items()} for scores in (a, b))
    moved = compare(moved_a, moved_b)
    for before, after in zip(compare(a, b).estimates(), moved.estimates(), strict=True):
        assert (before.difference, *bounds(before)) == pytest.approx((after.difference, *bounds(after)), abs=1e-10)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_prompt_order_does_not_change_the_point_estimate(seed: int) -> None:
    b = random_scores(seed, SPRITE_CONSTANTS)
    a = shifted(b, seed)
    orders = {name: generator("test order", seed, name).permutation(len(values)) for name, values in a.items()}
    ordered_a, ordered_b = ({name: values[orders[name]] for name, values in scores.items()} for scores in (a, b))
    ordered = compare(ordered_a, ordered_b)
    for before, after in zip(compare(a, b).estimates(), ordered.estimates(), strict=True):
        assert before.difference == pytest.approx(after.difference, abs=1e-10)


@pytest.mark.slow
def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    rng = generator("test coverage")
    truth, n_prompts, trials = {"sharpness": 0.02, "subject": -0.01}, 40, 400
    # Total moves by 100 * 4/5 / 0.8 and 100 * 1/5 / 0.5 points for each unit of the two dimensions.
    true_total = 100 * truth["sharpness"] + 40 * truth["subject"]
    covered = 0
    for _ in range(trials):
        b = {name: rng.random(n_prompts) for name in truth}
        a = {name: b[name] + rng.normal(truth[name], 0.1, n_prompts) for name in truth}
        total = paired_bootstrap(a, b, TWO_DIMENSIONS, rng=rng, replicates=200).total
        assert total is not None
        _, low, high = bounds(total)
        covered += low <= true_total <= high
    # Expected about 0.935 (percentile interval, 40 prompts); the standard error of the share is 0.012.
    assert 0.89 <= covered / trials <= 0.975


def test_same_seed_same_result_and_another_seed_another() -> None:
    b = random_scores(6, SPRITE_CONSTANTS)
    a = shifted(b, 6)
    assert compare(a, b, seed=1) == compare(a, b, seed=1)
    assert compare(a, b, seed=1) != compare(a, b, seed=2)


def test_chunks_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    b = random_scores(7, SPRITE_CONSTANTS)
    a = shifted(b, 7)
    whole = compare(a, b)
    for elements in (1, 50, 77):
        monkeypatch.setattr(module, "CHUNK_ELEMENTS", elements)
        for one, other in zip(compare(a, b).estimates(), whole.estimates(), strict=True):
            assert bounds(one) == pytest.approx(bounds(other), rel=1e-9)


def test_a_dimension_is_resampled_alike_whichever_others_are_present() -> None:
    b = random_scores(8, SPRITE_CONSTANTS)
    a = shifted(b, 8)
    alone = compare({"color": a["color"]}, {"color": b["color"]})
    assert alone.dimensions == tuple(e for e in compare(a, b).dimensions if e.name == "color")
    assert (alone.quality, alone.semantic, alone.total) == (None, None, None)
    assert len(alone.missing) == len(SPRITE_CONSTANTS) - 1


def test_missing_semantic_dimension_leaves_quality() -> None:
    b = random_scores(9, SPRITE_CONSTANTS)
    a = shifted(b, 9)
    del a["color"], b["color"]
    result = compare(a, b)
    assert result.quality is not None
    assert (result.semantic, result.total, result.missing) == (None, None, ("color",))
    assert len(result.dimensions) == len(SPRITE_CONSTANTS) - 1


def test_one_prompt_has_a_point_estimate_but_no_error() -> None:
    a = {"sharpness": np.array([0.9]), "subject": np.array([0.1, 0.3])}
    b = {"sharpness": np.array([0.5]), "subject": np.array([0.1, 0.2])}
    result = compare(a, b, TWO_DIMENSIONS)
    assert result.quality is not None
    assert result.semantic is not None
    assert result.total is not None
    for estimate in (result.dimensions[0], result.quality, result.total):
        assert (estimate.standard_error, estimate.low, estimate.high, estimate.star) == (None, None, None, False)
        assert estimate.reason is not None
        assert estimate.n_prompts == 1
    assert result.dimensions[0].difference == pytest.approx(0.4)
    assert result.total.difference == pytest.approx(0.8 * 50 + 0.2 * 10)
    assert result.semantic.standard_error is not None
    assert result.semantic.standard_error > 0


@pytest.mark.parametrize(("prompts", "starred"), [(5, False), (6, True)])
def test_too_few_prompts_have_an_error_but_no_interval_and_no_star(prompts: int, starred: bool) -> None:
    rng = generator("few prompts")
    a = {"subject": 0.8 + 0.01 * rng.random(prompts)}
    (estimate,) = compare(a, {"subject": np.zeros(prompts)}, TWO_DIMENSIONS).dimensions
    assert estimate.standard_error is not None
    assert (estimate.star, estimate.low is not None, estimate.reason is None) == (starred, starred, starred)


def test_no_scored_prompt_is_missing_not_zero() -> None:
    empty = np.array([])
    a: Scores = {"sharpness": empty, "subject": np.array([0.1, 0.3])}
    result = compare(a, dict(a), TWO_DIMENSIONS)
    assert (result.dimensions[0].name, result.dimensions[0].a, result.dimensions[0].n_prompts) == ("sharpness", None, 0)
    assert (result.quality, result.total, result.missing) == (None, None, ("sharpness",))
    nothing = compare({}, {}, TWO_DIMENSIONS)
    assert (nothing.estimates(), nothing.missing) == ((), ("sharpness", "subject"))


def test_wider_level_gives_a_wider_interval() -> None:
    b = random_scores(10, SPRITE_CONSTANTS)
    a = shifted(b, 10)
    narrow, wide = (compare(a, b, replicates=500, level=level).total for level in (0.5, 0.99))
    assert narrow is not None
    assert wide is not None
    assert bounds(wide)[1] < bounds(narrow)[1] < bounds(narrow)[2] < bounds(wide)[2]


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ({"colour": [0.1, 0.2]}, {"colour": [0.1, 0.2]}, "colour"),
        ({"color": [0.1, 0.2]}, {}, r"color.*one method"),
        ({"color": [0.1, 0.2]}, {"color": [0.1, 0.2, 0.3]}, r"color.*paired"),
        ({"color": [[0.1, 0.2]]}, {"color": [[0.1, 0.2]]}, r"color.*paired"),
        ({"color": [0.1, math.nan]}, {"color": [0.1, 0.2]}, r"color.*prompt number 1"),
        ({"color": [0.1, 0.2]}, {"color": [None, 0.2]}, r"color.*prompt number 0"),
        ({"color": [0.1, math.inf]}, {"color": [0.1, 0.2]}, r"color.*prompt number 1"),
    ],
)
def test_scores_that_do_not_pair_are_refused(a: Scores, b: Scores, message: str) -> None:
    with pytest.raises(UserError, match=message):
        compare(a, b)


def test_by_default_there_are_ten_thousand_replicates_and_intervals_cover_95_percent() -> None:
    a = random_scores(0, TWO_DIMENSIONS, 6)
    b = shifted(a, 1)
    found = paired_bootstrap(a, b, TWO_DIMENSIONS, rng=generator("test", 0))
    assert found == compare(a, b, TWO_DIMENSIONS, replicates=10_000, level=0.95)
    assert found != compare(a, b, TWO_DIMENSIONS, replicates=9_999)


def test_two_replicates_are_enough_for_a_standard_error() -> None:
    a = random_scores(0, TWO_DIMENSIONS, 6)
    total = compare(a, shifted(a, 1), TWO_DIMENSIONS, replicates=2).total
    assert total is not None
    assert total.standard_error is not None


@pytest.mark.parametrize(("replicates", "level"), [(1, 0.95), (0, 0.95), (10, 0.0), (10, 1.0), (10, 95.0)])
def test_impossible_settings_are_refused(replicates: int, level: float) -> None:
    with pytest.raises(UserError, match=r"replicates|level"):
        compare({}, {}, replicates=replicates, level=level)
