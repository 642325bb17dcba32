"""Training runs as the top level of the bootstrap."""

import numpy as np
import pytest

from probekit.errors import UserError
from probekit.seeding import generator
from probekit.statistics.bootstrap_settings import BootstrapSettings
from probekit.statistics.difference_estimate import BootstrapComparison
from probekit.statistics.group_bootstrap import group_bootstrap
from probekit.statistics.interval_choice import TOO_FEW_RUNS
from probekit.statistics.paired_units import Runs
from probekit.statistics.score_comparison import compare_recipes
from probekit.suites.dimension_constants import SPRITE_CONSTANTS
from tests.helpers.paired_scores import suite_scores
from tests.unit.statistics.test_score_comparison import row, table_of


def over_runs(runs: tuple[int, int], run_spread: float, replicates: int = 2000) -> BootstrapComparison:
    pairs = suite_scores(SPRITE_CONSTANTS, 1, count=40, runs=runs, run_spread=run_spread)
    settings = BootstrapSettings(resampling="runs", interval="t", replicates=replicates)
    return group_bootstrap(pairs, SPRITE_CONSTANTS, settings, rng=generator("b"), runs=Runs(*runs))


def test_the_spread_of_runs_enters_the_interval() -> None:
    widths = []
    for spread in (0.0, 0.3):
        total = over_runs((5, 5), spread).total
        assert total is not None
        assert total.low is not None
        assert total.high is not None
        widths.append(total.high - total.low)
    assert widths[1] > 5 * widths[0]


def test_the_standard_error_is_that_of_two_independent_means() -> None:
    pairs = suite_scores(SPRITE_CONSTANTS, 1, count=40, runs=(6, 6), run_spread=0.1)
    found = over_runs((6, 6), 0.1, replicates=20_000).dimensions[0]
    means = pairs[found.name].values.mean(axis=2)
    expected = sum(series.mean(axis=1).var() / 6 for series in (means[:6], means[6:]))
    expected += (means[:6].mean(axis=0) - means[6:].mean(axis=0)).var() / 40
    assert found.standard_error == pytest.approx(np.sqrt(expected), rel=0.05)
    assert found.difference == pytest.approx(means[:6].mean() - means[6:].mean())


def test_one_run_has_no_interval_over_runs() -> None:
    total = over_runs((1, 3), 0.1).total
    assert total is not None
    assert (total.low, total.star, total.reason) == (None, False, TOO_FEW_RUNS)


def test_models_of_one_table_are_compared_by_all_their_runs() -> None:
    rows = [
        row(model, prompt, 0.4 + 0.2 * (model == "ours") + 0.001 * prompt + 0.01 * run, training_run=f"run{run}")
        for model in ("base", "ours")
        for run in range(3)
        for prompt in range(8)
    ]
    rows.append(row("ours", 8, 0.9, training_run="run0"))  # only one run has this prompt
    settings = BootstrapSettings(resampling="runs", interval="t")
    (found,) = compare_recipes(table_of(rows), "base", ["ours"], SPRITE_CONSTANTS, settings=settings)
    estimate = found.bootstrap.dimensions[0]
    assert estimate.n_prompts == 8
    assert estimate.difference == pytest.approx(0.2)
    assert estimate.star


def test_a_model_that_is_not_in_the_table_is_named() -> None:
    rows = [row(model, prompt, 0.5, training_run="r") for model in ("base", "ours") for prompt in range(3)]
    with pytest.raises(UserError, match="nobody"):
        compare_recipes(table_of(rows), "base", ["nobody"], SPRITE_CONSTANTS)
