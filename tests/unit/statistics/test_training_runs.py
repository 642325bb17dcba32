"""Training runs as the top level of the bootstrap, by prompt identity, on VBench's constants."""

from typing import Any

import numpy as np
import pytest

from probekit.errors import UserError
from probekit.seeding import generator
from probekit.statistics.bootstrap_settings import BootstrapSettings
from probekit.statistics.group_bootstrap import group_bootstrap
from probekit.statistics.interval_choice import TOO_FEW_FOR_INTERVAL
from probekit.statistics.paired_units import PairedSamples, Runs
from probekit.statistics.score_comparison import compare_recipes
from probekit.suites.dimension_constants import SPRITE_CONSTANTS, VBENCH_CONSTANTS
from tests.helpers.paired_scores import plain_composites, prompts, suite_scores
from tests.unit.statistics.test_score_comparison import Row, row, table_of

RUNS = BootstrapSettings(resampling="runs", replicates=2000)


def recipe_rows(runs: int = 3, count: int = 8) -> list[Row]:
    return [
        row(model, prompt, 0.4 + 0.2 * (model == "ours") + 0.001 * prompt + 0.01 * run, training_run=f"run{run}")
        for model in ("base", "ours")
        for run in range(runs)
        for prompt in range(count)
    ]


def test_total_on_vbench_keeps_the_origin_of_the_normalisation() -> None:
    """The mean of each dimension at 0.83 of its range is a Total of 83, whatever the minima are."""
    pairs = {
        c.dimension: PairedSamples(
            prompts(6, c.dimension),
            np.full((4, 6, 1), c.low + 0.832 * (c.high - c.low)) + np.arange(4)[:, None, None] * 0.0,
        )
        for c in VBENCH_CONSTANTS
    }
    found = group_bootstrap(pairs, VBENCH_CONSTANTS, RUNS, rng=generator("b"), runs=Runs(2, 2))
    for estimate in (found.quality, found.semantic, found.total):
        assert estimate is not None
        assert (estimate.a, estimate.b) == pytest.approx((83.2, 83.2))


def test_the_spread_of_runs_enters_the_interval() -> None:
    widths = []
    for spread in (0.0, 0.1):
        pairs = suite_scores(VBENCH_CONSTANTS, 1, runs=(5, 5), run_spread=spread, spread=0.01)
        total = group_bootstrap(pairs, VBENCH_CONSTANTS, RUNS, rng=generator("b"), runs=Runs(5, 5)).total
        assert total is not None
        assert total.low is not None
        assert total.high is not None
        widths.append(total.high - total.low)
    assert widths[1] > 5 * widths[0]


def test_the_standard_error_is_that_of_two_independent_means_on_shared_prompts() -> None:
    pairs = suite_scores(SPRITE_CONSTANTS, 3, runs=(6, 5), run_spread=0.1)
    found = group_bootstrap(pairs, SPRITE_CONSTANTS, RUNS, rng=generator("b"), runs=Runs(6, 5))
    for estimate in found.dimensions:
        means = pairs[estimate.name].prompt_means()
        method, baseline = means[:6], means[6:]
        between = method.mean(axis=1).var() / 6 + baseline.mean(axis=1).var() / 5
        of_prompts = (method.mean(axis=0) - baseline.mean(axis=0)).var() / method.shape[1]
        rest = [one - one.mean(axis=0) - one.mean(axis=1, keepdims=True) + one.mean() for one in (method, baseline)]
        interaction = sum(np.square(one).sum() / one.size**2 for one in rest)
        assert estimate.closed_form_error == pytest.approx(np.sqrt(between + of_prompts + interaction))
        assert estimate.standard_error == pytest.approx(estimate.closed_form_error, rel=0.08)


def semantic_error(own: bool) -> float:
    """Two dimensions of a hundred prompts each, of their own or shared, that lean the same way prompt by prompt."""
    lean = generator("lean").normal(0, 0.1, (1, 100, 1))
    pairs = suite_scores(VBENCH_CONSTANTS, 1, runs=(2, 2), spread=0.0)
    for name in ("human_action", "temporal_style"):
        scale = next(c.high - c.low for c in VBENCH_CONSTANTS if c.dimension == name)
        values = np.concatenate([0.3 + np.tile(lean, (2, 1, 1)), np.full((2, 100, 1), 0.3)]) * scale
        pairs[name] = PairedSamples(prompts(100, name if own else "same"), values)
    found = group_bootstrap(pairs, VBENCH_CONSTANTS, RUNS, rng=generator("b"), runs=Runs(2, 2))
    assert found.semantic is not None
    assert found.semantic.standard_error is not None
    return found.semantic.standard_error


def test_prompts_are_shared_by_identity_and_not_by_number() -> None:
    """Drawn together the errors would add up, apart they add in squares: sqrt(2) less."""
    expected = 100 / 9 * generator("lean").normal(0, 0.1, 100).std() / 10
    assert semantic_error(own=True) == pytest.approx(np.sqrt(2) * expected, rel=0.06)
    assert semantic_error(own=False) == pytest.approx(2 * expected, rel=0.06)


def test_losing_one_score_leaves_dimensions_together() -> None:
    errors = []
    for lost in (False, True):
        pairs = suite_scores(VBENCH_CONSTANTS, 1, runs=(2, 2))
        pairs["motion_smoothness"] = pairs["subject_consistency"]
        if lost:
            whole = pairs["motion_smoothness"]
            pairs["motion_smoothness"] = PairedSamples(whole.prompt_ids[:-1], whole.values[:, :-1])
        found = group_bootstrap(pairs, VBENCH_CONSTANTS, RUNS, rng=generator("b"), runs=Runs(2, 2))
        assert found.quality is not None
        assert found.quality.closed_form_error is not None
        errors.append(found.quality.closed_form_error)
    assert errors[1] == pytest.approx(errors[0], rel=0.03)


def test_what_pairs_of_runs_share_leaves_the_interval() -> None:
    """Both models of a pair got the same prompts and noise: scores move together by 0.1, differences by 0.001."""
    pairs = suite_scores(SPRITE_CONSTANTS, 3, runs=(5, 5), run_spread=0.001)
    together = generator("together").normal(0, 0.1, 5)
    moved = {
        name: pair._replace(values=pair.values + np.tile(together, 2)[:, None, None]) for name, pair in pairs.items()
    }
    settings = RUNS.model_copy(update={"resampling": "paired-runs"})
    for estimate in group_bootstrap(
        moved, SPRITE_CONSTANTS, settings, rng=generator("b"), runs=Runs(5, 5, paired=True)
    ).dimensions:
        means = pairs[estimate.name].prompt_means()
        differences = means[:5] - means[5:]
        rest = differences - differences.mean(axis=0) - differences.mean(axis=1, keepdims=True) + differences.mean()
        parts = (
            differences.mean(axis=1).var() / 5,
            differences.mean(axis=0).var() / means.shape[1],
            rest.var() / rest.size,
        )
        assert estimate.closed_form_error == pytest.approx(np.sqrt(sum(parts)))
        assert estimate.standard_error == pytest.approx(estimate.closed_form_error, rel=0.08)


def test_runs_without_a_partner_are_left_out_of_pairs() -> None:
    rows = [one for one in recipe_rows(runs=3) if (one["model"], one["training_run"]) != ("ours", "run2")]
    settings = RUNS.model_copy(update={"resampling": "paired-runs"})
    (found,) = compare_recipes(table_of(rows), "base", ["ours"], SPRITE_CONSTANTS, settings=settings)
    (same,) = compare_recipes(table_of(recipe_rows(runs=2)), "base", ["ours"], SPRITE_CONSTANTS, settings=settings)
    assert found == same
    (alone,) = compare_recipes(table_of(rows), "base", ["ours"], SPRITE_CONSTANTS, settings=RUNS)
    assert alone.bootstrap.dimensions[0].b == pytest.approx(0.4 + 0.0035 + 0.01)
    assert found.bootstrap.dimensions[0].b == pytest.approx(0.4 + 0.0035 + 0.005)


def test_three_prompts_have_no_interval_and_no_star() -> None:
    (found,) = compare_recipes(table_of(recipe_rows(count=3)), "base", ["ours"], SPRITE_CONSTANTS, settings=RUNS)
    (estimate,) = found.bootstrap.dimensions
    assert (estimate.n_prompts, estimate.low, estimate.star) == (3, None, False)
    assert estimate.reason == TOO_FEW_FOR_INTERVAL


def test_models_of_one_table_are_compared_by_all_their_runs() -> None:
    rows = [*recipe_rows(), row("ours", 8, 0.9, training_run="run0")]  # only one run has the ninth prompt
    (found,) = compare_recipes(table_of(rows), "base", ["ours"], SPRITE_CONSTANTS)
    estimate = found.bootstrap.dimensions[0]
    assert estimate.n_prompts == 8
    assert estimate.difference == pytest.approx(0.2)
    assert estimate.star
    assert [(one.method, one.n_scored, one.n_planned) for one in found.coverage] == [("ours", 25, 27), ("base", 24, 27)]


def test_scores_are_the_mean_of_the_runs_scores_under_every_weighting() -> None:
    rows = recipe_rows(runs=2)
    rows = [one for one in rows if (one["model"], one["training_run"], one["prompt_id"]) != ("ours", "run1", "p000")]
    for weighting, expected in (("video-mean", 0.4), ("prompt-mean", 0.4)):
        settings = BootstrapSettings.model_validate({"resampling": "runs", "weighting": weighting, "replicates": 20})
        (found,) = compare_recipes(table_of(rows), "base", ["ours"], SPRITE_CONSTANTS, settings=settings)
        shared = range(1, 8) if weighting == "prompt-mean" else range(8)
        base = np.mean([expected + 0.001 * p for p in shared]) + 0.005
        assert found.bootstrap.dimensions[0].b == pytest.approx(base)


def test_a_dimension_that_one_run_lacks_is_refused_by_name() -> None:
    rows = [*recipe_rows(), row("ours", 0, 0.5, training_run="run0", dimension="object_class")]
    with pytest.raises(UserError, match="object_class"):
        compare_recipes(table_of(rows), "base", ["ours"], SPRITE_CONSTANTS)


@pytest.mark.parametrize("constants", [VBENCH_CONSTANTS, SPRITE_CONSTANTS])
def test_points_do_not_depend_on_how_often_a_run_is_listed(constants: Any) -> None:
    pairs = suite_scores(constants, 4, runs=(1, 1))
    twice = {name: pair._replace(values=pair.values[[0, 0, 1, 1]]) for name, pair in pairs.items()}
    one = group_bootstrap(pairs, constants, RUNS, rng=generator("b"))
    two = group_bootstrap(twice, constants, RUNS, rng=generator("b"), runs=Runs(2, 2))
    means = plain_composites({name: float(pair.values[0].mean()) for name, pair in pairs.items()}, constants)
    for single, double in zip(one.estimates(), two.estimates(), strict=True):
        assert single.a == pytest.approx(means[single.name])
        assert (double.a, double.b) == pytest.approx((single.a, single.b))
