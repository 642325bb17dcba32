"""Compare methods with a baseline: by prompts, or by training runs and prompts; from arrays or from one score table."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import NamedTuple

from probekit.choices import Weighting
from probekit.errors import UserError
from probekit.evaluation.aggregation import check_known, check_possible, warn_outside
from probekit.seeding import generator
from probekit.statistics.bootstrap_settings import BootstrapSettings
from probekit.statistics.coverage import Coverage, Plan, coverage, joined, listed_videos
from probekit.statistics.difference_estimate import BootstrapComparison
from probekit.statistics.group_bootstrap import Pairing, group_bootstraps
from probekit.statistics.paired_units import PairedSamples, Runs
from probekit.statistics.prompt_pairing import check_same_prompts, pair_scores
from probekit.statistics.prompt_scores import Method, ScoreTable
from probekit.statistics.score_arrays import MethodScores, read_columns
from probekit.statistics.table_selection import of_models, of_one, resolved, runs_of
from probekit.suites.dimension_constants import DimensionConstant

Constants = Sequence[DimensionConstant]


class ScoredMethod(NamedTuple):
    """A method with the scores of its training runs.

    Attributes:
        method: name; without a training run where several take part.
        runs: scores of each training run.
        plan: videos that each dimension should have, beside those with a row; empty where nothing says so.
    """

    method: Method
    runs: Sequence[MethodScores]
    plan: Plan = MappingProxyType({})


class MethodComparison(NamedTuple):
    """One method against the baseline.

    Attributes:
        method: The method, with its training run.
        baseline: The baseline, with its training run.
        bootstrap: Differences method - baseline; in each estimate `a` is the method, `b` the baseline.
        coverage: Scored of planned for each dimension, the method first, then the baseline; summed over training runs.
            Prompts that only one of them has a score for are not in the pairs; `n_prompts` of each estimate counts
            the pairs.
    """

    method: Method
    baseline: Method
    bootstrap: BootstrapComparison
    coverage: tuple[Coverage, ...]


def compare_methods(
    baseline: ScoredMethod,
    methods: Sequence[ScoredMethod],
    constants: Constants,
    *,
    seed: int = 0,
    settings: BootstrapSettings | None = None,
) -> tuple[MethodComparison, ...]:
    """Compare each method with the baseline.

    Args:
        baseline: what the others are compared with.
        methods: what is compared. With several training runs a method's score is the mean of its runs' scores.
        constants: the suite's dimensions.
        seed: names the resampling; a comparison does not depend on which others are asked for in the same call.
        settings: resampling, intervals, replicates and level; by default the paper's.

    Returns:
        One comparison for each method, in the order of `methods`.

    Raises:
        UserError: a dimension is unknown, is scored in one run only, or prompts do not pair.
    """
    chosen = settings or BootstrapSettings()
    paired = chosen.resampling == "paired-runs"
    sides = [_with_partners(method, baseline) if paired else (method, baseline) for method in methods]
    pairings = [
        Pairing(
            pairs_of(method, against, constants, chosen.weighting),
            Runs(len(method.runs), len(against.runs), paired),
        )
        for method, against in sides
    ]
    names = ("run_bootstrap" if chosen.of_runs else "paired_bootstrap", seed)
    found = group_bootstraps(pairings, constants, chosen, rng=generator(*names))
    for one in found:
        _check_means(one, constants)
    return tuple(
        MethodComparison(method.method, baseline.method, bootstrap, _coverage(method, against))
        for (method, against), bootstrap in zip(sides, found, strict=True)
    )


def _with_partners(method: ScoredMethod, baseline: ScoredMethod) -> tuple[ScoredMethod, ScoredMethod]:
    """Both with those of their runs that have a partner: as many of the first as the one with fewer has."""
    count = min(len(method.runs), len(baseline.runs))
    return method._replace(runs=method.runs[:count]), baseline._replace(runs=baseline.runs[:count])


def compare_score_tables(
    table: ScoreTable,
    baseline: str | Method,
    methods: Sequence[str | Method],
    constants: Constants,
    *,
    seed: int = 0,
    suite: str | None = None,
    horizon: str | None = None,
    dimensions: Sequence[str] | None = None,
    settings: BootstrapSettings | None = None,
) -> tuple[MethodComparison, ...]:
    """Compare each method of a table with the baseline (Video-Mirai, appendix E).

    Args:
        table: Long score table, a row for each (model, training_run, suite, horizon, prompt_id, sample, clip,
            dimension); a null value has a reason.
        baseline: Model, or `Method` where the table has several training runs of it.
        methods: What to compare with the baseline, as `baseline`.
        constants: The suite's dimensions.
        seed: Names the resampling.
        suite: Which suite of the table; needed when it holds several.
        horizon: Which horizon of the table; needed when it holds several.
        dimensions: Compare these only; by default all that the methods have, each of which must be in `constants`.
        settings: Resampling, intervals, replicates and level; by default the paper's.

    Raises:
        UserError: A method, suite, horizon, training run or dimension is unknown or ambiguous, or as
            `compare_methods`.
    """
    named = {method if isinstance(method, str) else method.model for method in (baseline, *methods)}
    columns = of_models(read_columns(table), named)
    columns = of_one(of_one(columns, "suite", suite), "horizon", horizon)
    if dimensions is not None:
        check_known(dimensions, constants)
        columns = columns.where("dimension", dimensions)
    reference, *others = (
        ScoredMethod(found, [columns.of_method(found)])
        for found in (resolved(columns, method) for method in (baseline, *methods))
    )
    return compare_methods(reference, others, constants, seed=seed, settings=settings)


def compare_recipes(
    table: ScoreTable,
    baseline: str,
    methods: Sequence[str],
    constants: Constants,
    *,
    seed: int = 0,
    settings: BootstrapSettings | None = None,
) -> tuple[MethodComparison, ...]:
    """Compare models by all their training runs in one table, of one suite and horizon.

    Only prompts that every run of both models has a score for take part where prompts weigh alike.

    Raises:
        UserError: as `compare_score_tables`.
    """
    columns = of_models(read_columns(table), {baseline, *methods})
    columns = of_one(of_one(columns, "suite", None), "horizon", None)
    reference, *others = (
        ScoredMethod(Method(model), [columns.of_method(run) for run in runs_of(columns, model)])
        for model in (baseline, *methods)
    )
    chosen = settings or BootstrapSettings(resampling="runs")
    return compare_methods(reference, others, constants, seed=seed, settings=chosen)


def pairs_of(
    method: ScoredMethod, baseline: ScoredMethod, constants: Constants, weighting: Weighting = "prompt-mean"
) -> dict[str, PairedSamples]:
    """Scores of both methods on the same prompts, dimension by dimension, the method's runs first.

    Raises:
        UserError: if a dimension is absent from one run; or, with one run each, a prompt.
    """
    runs = [*method.runs, *baseline.runs]
    pooling = {constant.dimension: constant.pooling for constant in constants}
    every = sorted(set().union(*runs))
    check_known(every, constants)
    pairs = {}
    for dimension in every:
        if any(dimension not in run for run in runs):
            raise UserError(
                f"Dimension {dimension!r} is in one method's scores only, or not in all of its training runs.",
                "Score it for both, or name the dimensions to compare.",
            )
        series = [run[dimension] for run in runs]
        if len(series) == 2:
            check_same_prompts(dimension, *(dict.fromkeys(one.prompt_ids) for one in series))
        pairs[dimension] = pair_scores(series, weighting, pooling[dimension])
    return pairs


def _check_means(compared: BootstrapComparison, constants: Constants) -> None:
    for side in ("a", "b"):
        means = {one.name: mean for one in compared.dimensions if (mean := getattr(one, side)) is not None}
        check_possible(means, constants)
        warn_outside(means, constants)


def _coverage(method: ScoredMethod, baseline: ScoredMethod) -> tuple[Coverage, ...]:
    rows = []
    for dimension in sorted(set().union(*method.runs)):
        both = (method, baseline)
        listed = [listed_videos(run[dimension]) for one in both for run in one.runs]
        planned = joined(*listed, *(one.plan.get(dimension, {}) for one in both))
        for one in both:
            of_runs = [coverage(dimension, one.method.label(), run[dimension], planned) for run in one.runs]
            rows.append(_summed(of_runs))
    return tuple(rows)


def _summed(runs: Sequence[Coverage]) -> Coverage:
    """Coverage of several training runs on the same prompts."""
    return runs[0]._replace(
        n_planned=sum(run.n_planned for run in runs),
        n_scored=sum(run.n_scored for run in runs),
        prompts_scored=min(run.prompts_scored for run in runs),
    )
