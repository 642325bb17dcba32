"""Every resampling with every interval, on VBench's and on the sprite suites' constants, against plain computations."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from scipy import stats

from probekit.errors import UserError
from probekit.seeding import generator
from probekit.statistics.bootstrap_settings import BootstrapSettings
from probekit.statistics.difference_estimate import BootstrapComparison, DifferenceEstimate
from probekit.statistics.group_bootstrap import Pairing, group_bootstrap, group_bootstraps
from probekit.statistics.paired_units import PairedSamples, Runs
from probekit.suites.dimension_constants import SPRITE_CONSTANTS, VBENCH_CONSTANTS
from tests.helpers.paired_scores import (
    Constants,
    Floats,
    plain_composites,
    plain_difference,
    plain_replicates,
    suite_scores,
)

METHODS = ("paper", "joint", "two-level", "runs", "paired-runs")
INTERVALS = ("percentile", "basic", "bca", "studentised", "t")
SUITES = {"vbench": VBENCH_CONSTANTS, "sprite": SPRITE_CONSTANTS}
CASES = [(suite, method) for suite in SUITES for method in METHODS]
RUNS = {"runs": Runs(4, 3), "paired-runs": Runs(4, 4, paired=True)}


def pairs_of(suite: str, method: str, **changes: Any) -> dict[str, PairedSamples]:
    runs = RUNS.get(method, Runs())
    run_spread = 0.01 if method in RUNS else 0.0
    return suite_scores(SUITES[suite], 1, runs=runs[:2], run_spread=run_spread, **changes)


def compared(
    pairs: Mapping[str, PairedSamples], constants: Constants, method: str, interval: str = "percentile", **changes: Any
) -> BootstrapComparison:
    settings = BootstrapSettings.model_validate(
        {"resampling": method, "interval": interval, "replicates": 4000} | changes
    )
    runs = RUNS.get(method, Runs())
    return group_bootstrap(pairs, constants, settings, rng=generator("test"), runs=runs)


def named(found: BootstrapComparison) -> dict[str, DifferenceEstimate]:
    return {one.name: one for one in found.estimates()}


@pytest.mark.parametrize(("suite", "method"), CASES)
def test_scores_and_differences_are_those_of_the_formula(suite: str, method: str) -> None:
    constants, pairs = SUITES[suite], pairs_of(suite, method)
    first, second = RUNS.get(method, Runs())[:2]
    sides = [
        plain_composites({name: float(pair.values[series].mean()) for name, pair in pairs.items()}, constants)
        for series in (slice(0, first), slice(first, first + second))
    ]
    found = named(compared(pairs, constants, method, replicates=10))
    assert set(found) == set(sides[0])
    for name, estimate in found.items():
        assert (estimate.a, estimate.b) == pytest.approx((sides[0][name], sides[1][name]))
        assert estimate.difference == pytest.approx(sides[0][name] - sides[1][name])


@pytest.mark.parametrize("suite", SUITES)
def test_methods_agree_on_scores_where_each_has_one_run(suite: str) -> None:
    constants, pairs = SUITES[suite], suite_scores(SUITES[suite], 2)
    settings = [BootstrapSettings.model_validate({"resampling": method, "replicates": 10}) for method in METHODS]
    found = [named(group_bootstrap(pairs, constants, one, rng=generator("test"))) for one in settings]
    for name, estimate in found[0].items():
        for other in found[1:]:
            assert (other[name].a, other[name].b) == pytest.approx((estimate.a, estimate.b), rel=1e-12)
    total = found[0]["total"]
    assert total.a is not None
    assert 40 < total.a < 80  # around 0.6 of each range


@pytest.mark.slow
@pytest.mark.parametrize(("suite", "method"), CASES)
def test_standard_errors_agree_with_the_closed_form_and_with_a_plain_loop(suite: str, method: str) -> None:
    constants, pairs = SUITES[suite], pairs_of(suite, method)
    loop = plain_replicates(pairs, constants, method, 500, RUNS.get(method, (1, 1)))
    for name, estimate in named(compared(pairs, constants, method)).items():
        assert estimate.standard_error == pytest.approx(estimate.closed_form_error, rel=0.06), name
        assert loop[name].std(ddof=1) == pytest.approx(estimate.closed_form_error, rel=0.12), name


def jackknife(pairs: Mapping[str, PairedSamples], constants: Constants, method: str) -> dict[str, list[Floats]]:
    """Influence of each prompt on each quantity by leaving it out: of each set of prompts, (P,)."""
    sets: dict[tuple[str, ...], list[str]] = {}
    for name, pair in pairs.items():
        sets.setdefault((name,) if method == "paper" else pair.prompt_ids, []).append(name)
    whole = {name: pair.values for name, pair in pairs.items()}
    found: dict[str, list[Floats]] = {}
    for members in sets.values():
        count = whole[members[0]].shape[1]
        left: dict[str, list[float]] = {}
        for row in range(count):
            rest = whole | {name: np.delete(whole[name], row, axis=1) for name in members}
            for name, value in plain_difference(rest, constants, (1, 1)).items():
                left.setdefault(name, []).append(value)
        for name, values in left.items():
            found.setdefault(name, []).append((np.mean(values) - np.array(values)) * (count - 1))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("method", ["paper", "joint"])
def test_t_intervals_are_those_of_welch(suite: str, method: str) -> None:
    constants, pairs = SUITES[suite], pairs_of(suite, method, count=20)
    influence = jackknife(pairs, constants, method)
    for name, estimate in named(compared(pairs, constants, method, "t", replicates=10)).items():
        parts = np.array([z.var(ddof=1) / len(z) for z in influence[name]])
        freedom = parts.sum() ** 2 / sum(v**2 / (len(z) - 1) for v, z in zip(parts, influence[name], strict=True))
        reach = stats.t.ppf(0.975, freedom) * np.sqrt(parts.sum())
        assert estimate.difference is not None
        expected = (estimate.difference - reach, estimate.difference + reach)
        assert (estimate.low, estimate.high) == pytest.approx(expected)
        assert (estimate.interval, estimate.instead) == ("t", None)


def test_t_intervals_over_training_runs_are_welchs_where_prompts_do_not_differ() -> None:
    """Runs of constant scores: what is left is two samples of runs."""
    scores = np.array([0.61, 0.64, 0.66, 0.62, 0.55, 0.57, 0.53])
    constants = SPRITE_CONSTANTS[:1]
    pairs = {constants[0].dimension: PairedSamples(tuple("abcdef"), np.tile(scores[:, None, None], (1, 6, 2)))}
    settings = BootstrapSettings(resampling="runs", interval="t", replicates=10)
    (found,) = group_bootstrap(pairs, constants, settings, rng=generator("test"), runs=Runs(4, 3)).dimensions
    expected = stats.ttest_ind(scores[:4], scores[4:], equal_var=False).confidence_interval()
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_t_intervals_over_pairs_of_runs_are_those_of_the_paired_test() -> None:
    scores = np.array([0.61, 0.64, 0.66, 0.62, 0.55, 0.57, 0.61, 0.56])
    constants = SPRITE_CONSTANTS[:1]
    pairs = {constants[0].dimension: PairedSamples(tuple("abcdef"), np.tile(scores[:, None, None], (1, 6, 2)))}
    settings = BootstrapSettings(resampling="paired-runs", interval="t", replicates=10)
    runs = RUNS["paired-runs"]
    (found,) = group_bootstrap(pairs, constants, settings, rng=generator("test"), runs=runs).dimensions
    expected = stats.ttest_rel(scores[:4], scores[4:]).confidence_interval()
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


@pytest.mark.long
@pytest.mark.parametrize(("suite", "method"), [case for case in CASES if case[1] not in RUNS])
def test_quantiles_of_replicates_agree_with_a_plain_loop(suite: str, method: str) -> None:
    constants, pairs = SUITES[suite], pairs_of(suite, method)
    loop = plain_replicates(pairs, constants, method, 1000)
    percentile, basic = (named(compared(pairs, constants, method, kind)) for kind in ("percentile", "basic"))
    for name, estimate in percentile.items():
        assert estimate.difference is not None
        assert estimate.closed_form_error is not None
        low, high = np.quantile(loop[name], [0.025, 0.975])
        near, twice = 0.3 * estimate.closed_form_error, 2 * estimate.difference
        assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=near), name
        assert (basic[name].low, basic[name].high) == pytest.approx((twice - high, twice - low), abs=near), name


@pytest.mark.long
@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("method", ["paper", "joint"])
def test_bca_intervals_agree_with_the_skewness_of_a_jackknife(suite: str, method: str) -> None:
    constants, pairs = SUITES[suite], pairs_of(suite, method)
    influence = jackknife(pairs, constants, method)
    for name, estimate in named(compared(pairs, constants, method, "bca")).items():
        scaled = np.concatenate([one / len(one) for one in influence[name]])
        acceleration = (scaled**3).sum() / (6 * (scaled**2).sum() ** 1.5)
        shifted = [quantile / (1 - acceleration * quantile) for quantile in (-1.96, 1.96)]  # means have no bias
        assert estimate.difference is not None
        assert estimate.closed_form_error is not None
        ends = [estimate.difference + one * estimate.closed_form_error for one in shifted]
        assert (estimate.low, estimate.high) == pytest.approx(ends, abs=0.2 * estimate.closed_form_error), name


@pytest.mark.long
@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("method", ["paper", "joint"])
def test_studentised_intervals_agree_with_a_plain_computation(suite: str, method: str) -> None:
    constants, pairs = SUITES[suite], pairs_of(suite, method)
    influence, rng = jackknife(pairs, constants, method), np.random.default_rng(3)
    drawn = [rng.integers(0, len(z), (3000, len(z))) for z in influence["total"]]
    for name, estimate in named(compared(pairs, constants, method, "studentised")).items():
        own = [z[rows] for z, rows in zip(influence[name], drawn, strict=True)]
        moved = sum(one.mean(axis=1) for one in own)
        errors = np.sqrt(sum(one.var(axis=1) / one.shape[1] for one in own))
        low, high = np.quantile(moved / errors, [0.025, 0.975])
        error = np.sqrt(sum(z.var() / len(z) for z in influence[name]))
        assert estimate.difference is not None
        expected = (estimate.difference - high * error, estimate.difference - low * error)
        assert (estimate.low, estimate.high) == pytest.approx(expected, abs=0.2 * error), name


@pytest.mark.parametrize(("suite", "method"), CASES)
@pytest.mark.parametrize("interval", INTERVALS)
def test_every_interval_is_honoured_replaced_by_name_or_refused(suite: str, method: str, interval: str) -> None:
    constants, pairs = SUITES[suite], pairs_of(suite, method)
    if interval == "studentised" and method in ("two-level", *RUNS):
        with pytest.raises(UserError, match="studentised"):
            compared(pairs, constants, method, interval)
        return
    for estimate in named(compared(pairs, constants, method, interval, replicates=500)).values():
        replaced = method in RUNS and interval != "t"
        assert estimate.interval == ("t" if replaced else interval)
        assert estimate.instead == ("fewer than 50 training runs" if replaced else None)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("weighting", ["prompt-mean", "video-mean", "frame-weighted"])
def test_weightings_are_honoured_or_refused(method: str, weighting: str) -> None:
    pairs = pairs_of("vbench", method)
    for pair in pairs.values():
        pair.values[:, ::3, 1:] = np.nan  # every third prompt has one video
    if method == "two-level" and weighting != "prompt-mean":
        with pytest.raises(UserError, match=weighting):
            compared(pairs, VBENCH_CONSTANTS, method, weighting=weighting)
        return
    first = RUNS.get(method, Runs())[0]
    estimate = compared(pairs, VBENCH_CONSTANTS, method, weighting=weighting, replicates=10).dimensions[0]
    runs = pairs[estimate.name].values[:first]
    by_prompt = [np.nanmean(run, axis=1).mean() for run in runs]
    of_videos = [np.nanmean(run) for run in runs]
    assert estimate.a == pytest.approx(np.mean(by_prompt if weighting == "prompt-mean" else of_videos))


@pytest.mark.parametrize("method", METHODS)
def test_several_methods_at_once_are_each_as_alone(method: str) -> None:
    runs = RUNS.get(method, Runs())
    cases = [suite_scores(SPRITE_CONSTANTS, seed, runs=runs[:2], count=20 + 5 * (seed == 3)) for seed in (1, 2, 3)]
    settings = BootstrapSettings.model_validate({"resampling": method, "replicates": 50})
    together = group_bootstraps(
        [Pairing(pairs, runs) for pairs in cases], SPRITE_CONSTANTS, settings, rng=generator("test")
    )
    for pairs, found in zip(cases, together, strict=True):
        alone = group_bootstrap(pairs, SPRITE_CONSTANTS, settings, rng=generator("test"), runs=runs)
        for one, other in zip(found.estimates(), alone.estimates(), strict=True):
            assert (one.low, one.standard_error) == pytest.approx((other.low, other.standard_error), rel=1e-9)
