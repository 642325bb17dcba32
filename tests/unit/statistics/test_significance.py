"""Permutation tests, adjustments, equivalence, effect sizes, planning: golden numbers, scipy, calibration."""

import numpy as np
import pytest
from scipy import stats

from probekit.errors import UserError
from probekit.seeding import generator
from probekit.statistics.power import (
    minimum_detectable_difference,
    noise_floor,
    power_curve,
    prompts_for_width,
    variance_components,
)
from probekit.statistics.significance import (
    benjamini_hochberg,
    equivalence_p_value,
    holm,
    sign_flip_p_values,
    standardised_effect,
    variance_shares,
    win_tie_loss,
)
from probekit.statistics.significance_table import significance_rows
from probekit.suites.dimension_constants import SPRITE_CONSTANTS
from tests.helpers.paired_scores import one_component
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
    small, wide, far = (equivalence_p_value(*case, 1.0, 50) for case in ((0.0, 0.1), (0.0, 1.0), (2.0, 0.1)))
    assert small is not None
    assert wide is not None
    assert far is not None
    assert small < 1e-6
    assert wide > 0.1
    assert far > 0.99
    assert equivalence_p_value(0.5, 0.0, 1.0, 50) is None  # without a spread nothing is known
    sample = generator("tost").normal(0.05, 0.3, size=80)
    error = sample.std(ddof=1) / np.sqrt(80)
    lower = stats.ttest_1samp(sample, -0.2, alternative="greater").pvalue
    upper = stats.ttest_1samp(sample, 0.2, alternative="less").pvalue
    assert equivalence_p_value(sample.mean(), error, 0.2, 79) == pytest.approx(max(lower, upper))


def test_effects_and_wins() -> None:
    differences = np.array([1.0, 0.0, -1.0, 2.0])
    assert tuple(win_tie_loss(differences)) == (2, 1, 1)
    assert standardised_effect(differences) == pytest.approx(0.5 / differences.std(ddof=1))
    assert standardised_effect(np.zeros(4)) is None


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
    rows = significance_rows(one_pair(np.zeros((1, 1))), SPRITE_CONSTANTS)
    assert rows[0].p_value == 1.0
    assert rows[0].effect is None
    assert significance_rows({}, SPRITE_CONSTANTS) == []


def test_power_rises_with_prompts_and_meets_the_normal_formula() -> None:
    pilot = generator("pilot").normal(0.0, 1.0, size=100)
    pilot = (pilot - pilot.mean()) / pilot.std(ddof=1)
    powers = power_curve([pilot], 0.3, [20, 87, 400], rng=generator("power"))
    assert powers == sorted(powers)
    assert powers[1] == pytest.approx(0.8, abs=0.05)  # n = ((1.96 + 0.84) / 0.3)^2
    assert minimum_detectable_difference(1 / np.sqrt(87)) == pytest.approx(0.3, abs=0.005)
    false = power_curve([pilot], 0.0, [100], rng=generator("power"))[0]
    assert false == pytest.approx(0.05, abs=0.02)


def test_variance_components_and_the_prompts_that_a_width_takes() -> None:
    rng = generator("components")
    differences = rng.normal(0, 2.0, size=(4000, 1)) + rng.normal(0, 3.0, size=(4000, 5))
    found = variance_components(differences)
    assert found.between == pytest.approx(4.0, rel=0.1)
    assert found.within == pytest.approx(9.0, rel=0.05)
    needed = prompts_for_width(found, 1.0, 5)
    widths = [2 * stats.t.ppf(0.975, n - 1) * found.error(n, 5) for n in (needed, needed - 1)]
    assert widths[0] <= 1.0 < widths[1]
    with pytest.raises(UserError, match="two samples"):
        variance_components(differences[:, :1])
    with pytest.raises(UserError, match="width"):
        prompts_for_width(found, 0.0, 5)


def test_the_noise_floor_is_the_spread_of_a_difference_of_two_repeats() -> None:
    runs = generator("floor").normal(50.0, 1.0, size=(400, 1))
    assert noise_floor(runs)[0] == pytest.approx(np.sqrt(2), rel=0.1)
    with pytest.raises(UserError, match="two repeated runs"):
        noise_floor(runs[:1])
