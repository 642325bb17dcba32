"""Permutation tests, adjustments, equivalence, effect sizes: golden numbers, scipy, calibration."""

import itertools

import numpy as np
import pytest
from scipy import stats

from probekit.errors import UserError
from probekit.seeding import generator
from probekit.statistics.influence import prompt_units, welch_freedom
from probekit.statistics.interval_choice import NO_SPREAD
from probekit.statistics.paired_units import PairedSamples, split_by_shared_prompts
from probekit.statistics.power import noise_floor
from probekit.statistics.significance import (
    benjamini_hochberg,
    equivalence_p_value,
    holm,
    sign_flip_p_values,
    standardised_effect,
    variance_shares,
    win_tie_loss,
)
from probekit.statistics.significance_table import ONE_PROMPT, significance_rows
from probekit.suites.dimension_constants import SPRITE_CONSTANTS, VBENCH_CONSTANTS, DimensionConstant
from tests.helpers.paired_scores import one_component, plain_composites, prompts, suite_scores
from tests.unit.statistics.test_group_bootstrap import one_pair, suite_pairs


@pytest.mark.parametrize("count", [8, 40])
def test_the_permutation_test_agrees_with_scipy(count: int) -> None:
    differences = generator("permutation", count).normal(0.3, 1.0, size=count)
    ours = sign_flip_p_values([one_component(differences)], np.eye(1), generator("signs"), 20_000)[0]
    expected = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=20_000, rng=np.random.default_rng(0)
    )
    assert ours == pytest.approx(expected.pvalue, abs=1e-12 if count == 8 else 0.01)


def test_p_values_are_uniform_under_the_null() -> None:
    rng = generator("null")
    p_values = [sign_flip_p_values([one_component(rng.normal(size=30))], np.eye(1), rng, 400)[0] for _ in range(400)]
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


def test_holm_and_benjamini_hochberg_on_known_numbers() -> None:
    p_values = [0.01, 0.04, 0.03, 0.005]
    assert holm(p_values) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert benjamini_hochberg(p_values) == pytest.approx(list(stats.false_discovery_control(p_values)))
    assert holm([]) == benjamini_hochberg([]) == []


def test_equivalence_needs_a_small_difference_and_a_small_error() -> None:
    assert equivalence_p_value(0.0, 0.1, 1.0, 50) < 1e-6
    assert equivalence_p_value(0.0, 1.0, 1.0, 50) > 0.1
    assert equivalence_p_value(2.0, 0.1, 1.0, 50) > 0.99
    assert equivalence_p_value(0.5, 0.0, 1.0, 50) is None  # no spread says nothing of the spread that there is
    sample = generator("tost").normal(0.05, 0.3, size=80)
    error = sample.std(ddof=1) / np.sqrt(80)
    lower = stats.ttest_1samp(sample, -0.2, alternative="greater").pvalue
    upper = stats.ttest_1samp(sample, 0.2, alternative="less").pvalue
    assert equivalence_p_value(sample.mean(), error, 0.2, 79) == pytest.approx(max(lower, upper))


def test_the_equivalence_test_of_six_prompts_is_scipys() -> None:
    """With the error of n instead of n - 1 it would claim too much."""
    differences = np.array([0.2, -0.1, 0.4, 0.1, -0.3, 0.6])
    rows = significance_rows(one_pair(differences[:, None]), SPRITE_CONSTANTS, margin=40.0)
    lower = stats.ttest_1samp(differences, -0.4, alternative="greater").pvalue
    upper = stats.ttest_1samp(differences, 0.4, alternative="less").pvalue
    assert rows[0].equivalence_p == pytest.approx(max(lower, upper))
    assert rows[0].standard_error == pytest.approx(stats.sem(differences))


@pytest.mark.parametrize("constants", [SPRITE_CONSTANTS, VBENCH_CONSTANTS])
def test_equivalence_of_composites_is_welchs_test(constants: tuple[DimensionConstant, ...]) -> None:
    pairs = suite_scores(constants, 5, count=9)
    rows = {row.quantity: row for row in significance_rows(pairs, constants, margin=3.0, permutations=10)}
    sets: dict[tuple[str, ...], list[str]] = {}
    for name, pair in pairs.items():
        sets.setdefault(pair.prompt_ids, []).append(name)
    middle = {name: float(pair.values.mean()) for name, pair in pairs.items()}
    base = plain_composites(middle, constants)["total"]
    parts = []
    for members in sets.values():
        means = {name: pairs[name].prompt_means() for name in members}
        totals = [
            plain_composites(middle | {n: middle[n] + float(m[0, p] - m[1, p]) for n, m in means.items()}, constants)
            for p in range(9)
        ]
        parts.append(np.array([total["total"] - base for total in totals]))
    variances = [part.var(ddof=1) / 9 for part in parts]
    freedom = sum(variances) ** 2 / sum(v**2 / 8 for v in variances)
    difference, error = sum(part.mean() for part in parts), np.sqrt(sum(variances))
    expected = max(stats.t.sf((difference + 3) / error, freedom), stats.t.cdf((difference - 3) / error, freedom))
    assert rows["total"].difference == pytest.approx(difference)
    assert rows["total"].equivalence_p == pytest.approx(expected)


def test_effects_wins_and_freedom() -> None:
    differences = np.array([1.0, 0.0, -1.0, 2.0])
    assert tuple(win_tie_loss(differences)) == (2, 1, 1)
    assert tuple(win_tie_loss(np.array([1e-9, -1e-9, 1e-3]), size=1.0)) == (1, 2, 0)
    assert standardised_effect(differences) == pytest.approx(0.5 / differences.std(ddof=1))
    assert standardised_effect(np.zeros(4)) is None
    assert standardised_effect(np.array([0.1, 0.1 + 1e-9, 0.1]), size=1.0) is None
    component = one_component(generator("freedom").normal(size=20))
    (units,) = prompt_units([component], np.eye(1))
    assert welch_freedom([units])[0] == pytest.approx(19)
    assert welch_freedom([units, units])[0] == pytest.approx(38)


def test_swapping_takes_numerators_with_their_denominators() -> None:
    """Weighed by frames, a swap exchanges what each method counted; tried in all patterns by hand."""
    rng = generator("swap")
    values, frames = rng.random((2, 7, 1)), rng.integers(1, 90, (2, 7, 1)).astype(float)
    pairs = {"object_class": PairedSamples(prompts(7), values, frames)}
    components = split_by_shared_prompts(pairs, "frame-weighted")
    found = sign_flip_p_values(components, np.eye(1), generator("signs"))[0]
    differences = []
    for pattern in itertools.product((0, 1), repeat=7):
        chosen = np.array(pattern)
        own, other = (values[one, np.arange(7), 0] for one in (chosen, 1 - chosen))
        weights, others = (frames[one, np.arange(7), 0] for one in (chosen, 1 - chosen))
        differences.append(abs(np.average(own, weights=weights) - np.average(other, weights=others)))
    assert found == pytest.approx(np.mean(np.array(differences) >= differences[0] - 1e-12))


def test_shares_of_the_variance_sum_to_one_and_follow_the_slopes() -> None:
    z = generator("shares").normal(size=(200, 2)) * [1.0, 2.0]
    slopes = np.array([[1.0, 0.0], [0.0, 1.0], [3.0, 1.0]])
    with_total = np.concatenate([z, z @ slopes[2:].T], axis=1)
    shares = variance_shares([with_total], slopes, 2, 2)
    assert shares.sum() == pytest.approx(1)
    assert shares[0] == pytest.approx(9 / 13, abs=0.1)


def test_the_table_marks_what_differs_and_adjusts_for_the_dimensions() -> None:
    pairs = suite_pairs(3, count=40)
    changed = pairs["color"].values.copy()
    changed[0] += 0.3
    pairs["color"] = pairs["color"]._replace(values=changed)
    rows = {row.quantity: row for row in significance_rows(pairs, SPRITE_CONSTANTS, margin=5.0)}
    assert list(rows) == [*(constant.dimension for constant in SPRITE_CONSTANTS), "quality", "semantic", "total"]
    assert rows["color"].holm is not None
    assert rows["color"].holm < 0.01
    assert rows["color"].win == 40
    others = [row for name, row in rows.items() if name not in ("color", "semantic", "total")]
    assert all(row.holm is None or row.holm > 0.01 for row in others)
    shares = [row.share_of_total for row in rows.values() if row.share_of_total is not None]
    assert sum(shares) == pytest.approx(1)
    assert rows["total"].equivalence_p is not None
    assert rows["total"].holm is None


def test_one_prompt_and_constant_scores_have_no_false_certainty() -> None:
    (one, *_) = significance_rows(one_pair(np.zeros((1, 1))), SPRITE_CONSTANTS, margin=5.0)
    assert (one.p_value, one.effect, one.equivalence_p, one.standard_error) == (1.0, None, None, None)
    assert one.reason == ONE_PROMPT
    (same, *_) = significance_rows(one_pair(np.full((8, 1), 0.1)), SPRITE_CONSTANTS, margin=50.0)
    assert (same.effect, same.equivalence_p, same.reason) == (None, None, NO_SPREAD)
    assert same.p_value == pytest.approx(2 / 2**8)
    assert significance_rows({}, SPRITE_CONSTANTS) == []


def test_two_prompts_have_a_spread_and_scores_of_nothing_but_zero_have_none() -> None:
    (two, *_) = significance_rows(one_pair(np.array([[0.1], [0.3]])), SPRITE_CONSTANTS, margin=5.0)
    assert two.reason is None
    assert two.standard_error == pytest.approx(0.1)
    zeros = {"color": PairedSamples(prompts(8), np.zeros((2, 8, 1)))}
    (nothing, *_) = significance_rows(zeros, SPRITE_CONSTANTS, margin=5.0)
    assert (nothing.reason, nothing.effect, nothing.equivalence_p, nothing.p_value) == (NO_SPREAD, None, None, 1.0)


def test_by_default_ten_thousand_patterns_are_drawn_from_seed_0() -> None:
    """Of 25 prompts there are more patterns than are tried."""
    pairs = one_pair(generator("default").normal(0.02, 0.1, size=(25, 1)))
    found = [row.p_value for row in significance_rows(pairs, SPRITE_CONSTANTS)]
    named, other, fewer = (
        [row.p_value for row in significance_rows(pairs, SPRITE_CONSTANTS, seed=seed, permutations=count)]
        for seed, count in ((0, 10_000), (1, 10_000), (0, 9_999))
    )
    assert found == named
    assert found != other
    assert found != fewer


def test_rounding_is_no_difference() -> None:
    rng = generator("rounding")
    base = rng.random((30, 3))
    pairs = {"color": PairedSamples(prompts(30), np.stack([base, (base + 0.1) - 0.1]))}
    (found, *_) = significance_rows(pairs, SPRITE_CONSTANTS, margin=1.0)
    assert (found.win, found.tie, found.loss, found.p_value) == (0, 30, 0, 1.0)


def test_the_noise_floor_is_the_spread_of_a_difference_of_two_repeats() -> None:
    runs = generator("floor").normal(50.0, 1.0, size=(400, 1))
    assert noise_floor(runs)[0] == pytest.approx(np.sqrt(2), rel=0.1)
    with pytest.raises(UserError, match="two repeated runs"):
        noise_floor(runs[:1])
