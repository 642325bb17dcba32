"""Training runs as the top level of the bootstrap."""

import numpy as np
import pytest

from probekit.errors import UserError
from probekit.seeding import generator
from probekit.statistics.run_bootstrap import TOO_FEW_RUNS, bootstrap_over_runs
from probekit.statistics.score_comparison import compare_recipes
from probekit.suites.dimension_constants import SPRITE_CONSTANTS
from tests.unit.statistics.test_score_comparison import row, table_of


def scores(seed: int, runs: int, run_spread: float, shift: float = 0.0, prompts: int = 40) -> dict[str, np.ndarray]:
    rng = generator("runs", seed)
    of_run = run_spread * rng.normal(size=(runs, 1))
    shared = generator("prompts").normal(0.5, 0.1, size=(len(SPRITE_CONSTANTS), 1, prompts))
    noise = 0.02 * rng.normal(size=(len(SPRITE_CONSTANTS), runs, prompts))
    return {c.dimension: shift + values for c, values in zip(SPRITE_CONSTANTS, shared + of_run + noise, strict=True)}


def test_the_spread_of_runs_enters_the_interval() -> None:
    widths = []
    for spread in (0.0, 0.1):
        result = bootstrap_over_runs(
            scores(1, 5, spread), scores(2, 5, spread), SPRITE_CONSTANTS, rng=generator("b"), replicates=2000
        )
        assert result.total is not None
        assert result.total.low is not None
        assert result.total.high is not None
        widths.append(result.total.high - result.total.low)
    assert widths[1] > 5 * widths[0]


def test_the_standard_error_is_that_of_two_independent_means() -> None:
    method, baseline = scores(3, 6, 0.1), scores(4, 6, 0.1)
    result = bootstrap_over_runs(method, baseline, SPRITE_CONSTANTS, rng=generator("b"), replicates=20_000)
    name = SPRITE_CONSTANTS[0].dimension
    expected = sum(one[name].mean(axis=1).var() / 6 for one in (method, baseline))
    differences = method[name].mean(axis=0) - baseline[name].mean(axis=0)
    expected += differences.var() / 40
    assert result.dimensions[0].standard_error == pytest.approx(np.sqrt(expected), rel=0.05)
    assert result.dimensions[0].difference == pytest.approx(method[name].mean() - baseline[name].mean())


def test_one_run_has_no_interval_over_runs() -> None:
    result = bootstrap_over_runs(scores(5, 1, 0.1), scores(6, 3, 0.1), SPRITE_CONSTANTS, rng=generator("b"))
    assert result.total is not None
    assert (result.total.low, result.total.star, result.total.reason) == (None, False, TOO_FEW_RUNS)


def test_runs_on_other_prompts_are_refused() -> None:
    with pytest.raises(UserError, match="other dimensions or prompts"):
        bootstrap_over_runs(scores(7, 2, 0.1), scores(8, 2, 0.1, prompts=30), SPRITE_CONSTANTS, rng=generator("b"))


def test_models_of_one_table_are_compared_by_all_their_runs() -> None:
    rows = [
        row(model, prompt, 0.4 + 0.2 * (model == "ours") + 0.001 * prompt + 0.01 * run, training_run=f"run{run}")
        for model in ("base", "ours")
        for run in range(3)
        for prompt in range(8)
    ]
    rows.append(row("ours", 8, 0.9, training_run="run0"))  # only one run has this prompt
    (found,) = compare_recipes(table_of(rows), "base", ["ours"], SPRITE_CONSTANTS)
    estimate = found.bootstrap.dimensions[0]
    assert estimate.n_prompts == 8
    assert estimate.difference == pytest.approx(0.2)
    assert estimate.star
