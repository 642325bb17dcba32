"""The drop between horizons: hand-computed, and what must not change it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probekit.errors import UserError
from probekit.seeding import generator
from probekit.statistics.horizon_drop import (
    HorizonScores,
    PromptScores,
    drop_difference,
    drop_difference_of_runs,
    horizon_drop,
    horizon_drop_of_runs,
)
from probekit.statistics.interval_choice import NO_SPREAD
from probekit.statistics.paired_bootstrap import paired_bootstrap
from probekit.suites.dimension_constants import SPRITE_CONSTANTS

NAMES = [constant.dimension for constant in SPRITE_CONSTANTS]
REPLICATES = 200


def scores(seed: int, prompts: int = 12) -> PromptScores:
    rng = np.random.default_rng(seed)
    return {name: {f"p{i}": float(value) for i, value in enumerate(rng.random(prompts))} for name in NAMES}


def shifted(source: PromptScores, by: float) -> PromptScores:
    return {name: {p: None if v is None else v + by for p, v in values.items()} for name, values in source.items()}


def test_the_drop_is_the_mean_paired_difference() -> None:
    short, long = scores(0), scores(1)
    found = horizon_drop(HorizonScores(short, long), SPRITE_CONSTANTS, replicates=REPLICATES)
    for estimate in found.dimensions:
        expected = np.mean(list(short[estimate.name].values())) - np.mean(list(long[estimate.name].values()))  # type: ignore[arg-type]
        assert estimate.difference == pytest.approx(expected)
    assert found.total is not None


@pytest.mark.parametrize("seed", [0, 5])
def test_drops_are_resampled_by_the_seed_that_is_named_for_them(seed: int) -> None:
    """The paired bootstrap of the prompts' scores in the order of their names."""
    one, other = HorizonScores(scores(1), scores(2)), HorizonScores(scores(3), scores(4))

    def values(source: PromptScores) -> dict[str, np.ndarray]:
        return {name: np.array([source[name][prompt] for prompt in sorted(source[name])]) for name in sorted(NAMES)}

    def drops(model: HorizonScores) -> dict[str, np.ndarray]:
        return {name: values(model.short)[name] - values(model.long)[name] for name in sorted(NAMES)}

    rng = generator("horizon_drop", seed)
    expected = paired_bootstrap(values(one.short), values(one.long), SPRITE_CONSTANTS, rng=rng, replicates=30)
    assert horizon_drop(one, SPRITE_CONSTANTS, seed=seed, replicates=30) == expected
    rng = generator("horizon_drop", seed)
    expected = paired_bootstrap(drops(one), drops(other), SPRITE_CONSTANTS, rng=rng, replicates=30)
    assert drop_difference(one, other, SPRITE_CONSTANTS, seed=seed, replicates=30) == expected


def test_by_default_the_seed_is_0_and_there_are_ten_thousand_replicates() -> None:
    one, other = HorizonScores(scores(1), scores(2)), HorizonScores(scores(3), scores(4))
    assert horizon_drop(one, SPRITE_CONSTANTS) == horizon_drop(one, SPRITE_CONSTANTS, seed=0, replicates=10_000)
    named = drop_difference(one, other, SPRITE_CONSTANTS, seed=0, replicates=10_000)
    assert drop_difference(one, other, SPRITE_CONSTANTS) == named


def test_prompts_of_one_horizon_only_are_left_out() -> None:
    short, long = scores(0, prompts=20), scores(1, prompts=12)
    cut = {name: dict(list(values.items())[:12]) for name, values in short.items()}
    both = (
        horizon_drop(HorizonScores(source, long), SPRITE_CONSTANTS, replicates=REPLICATES) for source in (short, cut)
    )
    assert next(both) == next(both)


@pytest.mark.long
@given(st.integers(0, 1000))
def test_equal_arms_lose_equally_and_swapping_flips_the_sign(seed: int) -> None:
    one, other = HorizonScores(scores(seed), scores(seed + 1)), HorizonScores(scores(seed + 2), scores(seed + 3))
    same = drop_difference(one, one, SPRITE_CONSTANTS, replicates=50)
    assert all((e.difference, e.low, e.reason) == (0, None, NO_SPREAD) for e in same.estimates())
    forth = drop_difference(one, other, SPRITE_CONSTANTS, replicates=50)
    back = drop_difference(other, one, SPRITE_CONSTANTS, replicates=50)
    for a, b in zip(forth.estimates(), back.estimates(), strict=True):
        assert a.difference == pytest.approx(-b.difference)  # type: ignore[operator]
        assert a.low == pytest.approx(-b.high)  # type: ignore[operator]


def test_the_difference_is_the_difference_of_the_drops_for_composites_too() -> None:
    one, other = HorizonScores(scores(1), scores(2)), HorizonScores(scores(3), scores(4))
    together = drop_difference(one, other, SPRITE_CONSTANTS, replicates=REPLICATES)
    drops = [horizon_drop(model, SPRITE_CONSTANTS, replicates=REPLICATES) for model in (one, other)]
    for joint, a, b in zip(together.estimates(), *(drop.estimates() for drop in drops), strict=True):
        assert joint.difference == pytest.approx(a.difference - b.difference)  # type: ignore[operator]


def test_a_constant_on_all_short_scores_leaves_the_difference() -> None:
    one, other = HorizonScores(scores(1), scores(2)), HorizonScores(scores(3), scores(4))
    raised = [HorizonScores(shifted(model.short, 0.3), model.long) for model in (one, other)]
    before = drop_difference(one, other, SPRITE_CONSTANTS, replicates=REPLICATES)
    after = drop_difference(*raised, SPRITE_CONSTANTS, replicates=REPLICATES)
    for a, b in zip(before.estimates(), after.estimates(), strict=True):
        assert a.difference == pytest.approx(b.difference)


def test_a_dimension_that_one_run_lacks_is_named() -> None:
    short = scores(0)
    long = {name: values for name, values in scores(1).items() if name != NAMES[0]}
    with pytest.raises(UserError, match=NAMES[0]):
        horizon_drop(HorizonScores(short, long), SPRITE_CONSTANTS)


def run_of(seed: int, effect: float, spread: float, prompts: int = 60) -> HorizonScores:
    """A training run whose drop is 0.2 + effect, plus a part of its own and noise of each prompt."""
    rng = np.random.default_rng(seed)
    own = effect + spread * rng.normal()
    short: dict[str, dict[str, float | None]] = {}
    long: dict[str, dict[str, float | None]] = {}
    for name in NAMES:
        values = rng.normal(0.6, 0.02, prompts)
        short[name] = {f"p{i}": float(value) for i, value in enumerate(values)}
        long[name] = {f"p{i}": float(value - 0.2 - own + rng.normal(0, 0.02)) for i, value in enumerate(values)}
    return HorizonScores(short, long)


def test_one_run_of_each_is_the_drop_of_single_models() -> None:
    one, other = HorizonScores(scores(1), scores(2)), HorizonScores(scores(3), scores(4))
    assert horizon_drop_of_runs([one], SPRITE_CONSTANTS, replicates=50) == horizon_drop(
        one, SPRITE_CONSTANTS, replicates=50
    )
    assert drop_difference_of_runs([one], [other], SPRITE_CONSTANTS, replicates=50) == drop_difference(
        one, other, SPRITE_CONSTANTS, replicates=50
    )


def test_by_default_runs_too_are_resampled_ten_thousand_times_with_seed_0() -> None:
    runs, others = [run_of(seed, 0.0, 0.01) for seed in range(2)], [run_of(5 + seed, 0.0, 0.01) for seed in range(2)]
    named = horizon_drop_of_runs(runs, SPRITE_CONSTANTS, seed=0, replicates=10_000)
    assert horizon_drop_of_runs(runs, SPRITE_CONSTANTS) == named
    difference = drop_difference_of_runs(runs, others, SPRITE_CONSTANTS, seed=0, replicates=10_000)
    assert drop_difference_of_runs(runs, others, SPRITE_CONSTANTS) == difference


def test_what_a_pair_of_runs_shares_leaves_the_interval() -> None:
    """The k-th runs of both lose the same more than other runs do, by up to 0.3; that is no difference of theirs."""

    def moved(run: HorizonScores, by: float) -> HorizonScores:
        return HorizonScores(run.short, shifted(run.long, -by))

    baseline, method = ([run_of(seed + first, 0.0, 0.001) for seed in range(4)] for first in (0, 10))
    shared = (
        [moved(run, 0.1 * k) for k, run in enumerate(baseline)],
        [moved(run, 0.1 * k) for k, run in enumerate(method)],
    )
    found = [
        drop_difference_of_runs(ours, theirs, SPRITE_CONSTANTS, replicates=20).total
        for theirs, ours in ((baseline, method), shared)
    ]
    assert found[0] is not None
    assert found[1] is not None
    assert found[1].closed_form_error == pytest.approx(found[0].closed_form_error)


def test_the_drop_of_several_runs_is_the_mean_of_theirs() -> None:
    runs = [run_of(seed, 0.0, 0.01) for seed in range(3)]
    together = horizon_drop_of_runs(runs, SPRITE_CONSTANTS, replicates=REPLICATES)
    alone = [horizon_drop(run, SPRITE_CONSTANTS, replicates=REPLICATES) for run in runs]
    for estimates in zip(together.estimates(), *(one.estimates() for one in alone), strict=True):
        mean, *each = (estimate.difference for estimate in estimates)
        assert mean == pytest.approx(np.mean(each))
        assert estimates[0].interval == "t"


def test_runs_that_differ_widen_the_interval_and_their_pairing_narrows_it() -> None:
    baseline = [run_of(seed, 0.0, 0.05) for seed in range(4)]
    method = [run_of(10 + seed, 0.0, 0.05) for seed in range(4)]
    found = drop_difference_of_runs(method, baseline, SPRITE_CONSTANTS, replicates=REPLICATES).total
    alone = drop_difference(method[0], baseline[0], SPRITE_CONSTANTS, replicates=REPLICATES).total
    same = drop_difference_of_runs(method, method[1:] + method[:1], SPRITE_CONSTANTS, replicates=REPLICATES).total
    assert found is not None
    assert alone is not None
    assert same is not None
    assert found.high - found.low > 3 * (alone.high - alone.low)  # type: ignore[operator]
    assert same.difference == pytest.approx(0, abs=1e-9)


def test_most_intervals_of_three_pairs_hold_no_effect() -> None:
    """60 comparisons of runs that differ by chance alone: 92 % of 300 hold 0 at the 95 % level, with three pairs."""
    held = 0
    for seed in range(60):
        baseline = [run_of(100_000 + 10 * seed + k, 0.0, 0.03) for k in range(3)]
        method = [run_of(900_000 + 10 * seed + k, 0.0, 0.03) for k in range(3)]
        total = drop_difference_of_runs(method, baseline, SPRITE_CONSTANTS, replicates=20).total
        assert total is not None
        held += total.low <= 0 <= total.high  # type: ignore[operator]
    assert held >= 51
