"""Compare methods of one score table with a baseline by the paired bootstrap over prompts."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.evaluation.aggregation import check_known, check_possible, warn_outside
from probekit.evaluation.weighting import Weighting
from probekit.run_folder.score_key import ScoreKey
from probekit.seeding import generator
from probekit.statistics.bootstrap_settings import BootstrapSettings
from probekit.statistics.difference_estimate import BootstrapComparison
from probekit.statistics.group_bootstrap import group_bootstrap
from probekit.statistics.paired_units import PairedSamples
from probekit.statistics.prompt_pairing import check_same_prompts
from probekit.statistics.prompt_scores import (
    ClipKey,
    Coverage,
    Method,
    ScoreTable,
    clip_scores,
    coverage,
    prompt_denominators,
    prompt_means,
    prompt_videos,
    read_denominators,
    read_table,
)
from probekit.statistics.run_bootstrap import bootstrap_over_runs
from probekit.suites.dimension_constants import DimensionConstant

Scores = Mapping[ScoreKey, float | None]
Floats = NDArray[np.float64]
MethodScores = Mapping[str, Mapping[ClipKey, float | None]]


class MethodComparison(NamedTuple):
    """One method against the baseline.

    Attributes:
        method: The method, with its training run.
        baseline: The baseline, with its training run.
        bootstrap: Differences method - baseline; in each estimate `a` is the method, `b` the baseline.
        coverage: Scored of planned for each dimension, the method first, then the baseline. Prompts that only one of
            them has a score for are not in the pairs; `n_prompts` of each estimate counts the pairs.
    """

    method: Method
    baseline: Method
    bootstrap: BootstrapComparison
    coverage: tuple[Coverage, ...]


def compare_score_tables(
    table: ScoreTable,
    baseline: str | Method,
    methods: Sequence[str | Method],
    constants: Sequence[DimensionConstant],
    *,
    seed: int = 0,
    suite: str | None = None,
    horizon: str | None = None,
    dimensions: Sequence[str] | None = None,
    settings: BootstrapSettings | None = None,
) -> tuple[MethodComparison, ...]:
    """Compare each method with the baseline (Video-Mirai, appendix E).

    Args:
        table: Long score table, a row for each (model, training_run, suite, horizon, prompt_id, sample, clip,
            dimension); a null value has a reason.
        baseline: Model, or `Method` where the table has several training runs of it.
        methods: What to compare with the baseline, as `baseline`.
        constants: The suite's dimensions.
        seed: Names the resampling; a comparison does not depend on which others are asked for in the same call.
        suite: Which suite of the table; needed when it holds several.
        horizon: Which horizon of the table; needed when it holds several.
        dimensions: Compare these only; by default all that the methods have, each of which must be in `constants`.
        settings: Resampling, intervals, replicates and level; by default the paper's.

    Returns:
        One comparison for each method, in the order of `methods`.

    Raises:
        UserError: A method, suite, horizon, training run or dimension is unknown or ambiguous, or prompts do not pair.
    """
    scores = _of_models(read_table(table), {_method(method).model for method in (baseline, *methods)})
    scores = _of_one(_of_one(scores, "suite", suite), "horizon", horizon)
    if dimensions is not None:
        check_known(dimensions, constants)
        scores = {key: value for key, value in scores.items() if key.dimension in dimensions}
    reference = _resolve(scores, _method(baseline))
    chosen = settings or BootstrapSettings()
    frames = _frame_denominators(table, constants) if chosen.weighting == "frame-weighted" else {}
    comparisons = []
    for method in (_resolve(scores, _method(method)) for method in methods):
        pair = clip_scores(scores, method), clip_scores(scores, reference)
        counted = clip_scores(frames, method), clip_scores(frames, reference)
        bootstrap = _compare(*pair, constants, seed, chosen, counted)
        comparisons.append(MethodComparison(method, reference, bootstrap, _coverage(method, reference, *pair)))
    return tuple(comparisons)


def compare_recipes(
    table: ScoreTable,
    baseline: str,
    methods: Sequence[str],
    constants: Sequence[DimensionConstant],
    *,
    seed: int = 0,
    settings: BootstrapSettings | None = None,
) -> tuple[MethodComparison, ...]:
    """Compare models by all their training runs in one table, of one suite and horizon.

    Only prompts that every run of both models has a score for take part.

    Raises:
        UserError: as `compare_score_tables`.
    """
    chosen = settings or BootstrapSettings(resampling="runs")
    scores = _of_models(read_table(table), {baseline, *methods})
    scores = _of_one(_of_one(scores, "suite", None), "horizon", None)
    results = []
    for method in methods:
        means = {model: _run_means(scores, model) for model in (method, baseline)}
        stacked = {model: _on_shared_prompts(means, model) for model in means}
        rng = generator("run_bootstrap", seed)
        found = bootstrap_over_runs(
            stacked[method], stacked[baseline], constants, rng=rng, replicates=chosen.replicates, level=chosen.level
        )
        results.append(MethodComparison(Method(method), Method(baseline), found, ()))
    return tuple(results)


def _run_means(scores: Scores, model: str) -> list[dict[str, dict[str, float]]]:
    """For each training run of a model, prompt means by dimension."""
    runs = sorted({key.training_run for key in scores if key.model == model})
    return [
        {
            dimension: {prompt: mean for prompt, mean in prompt_means(clips).items() if mean is not None}
            for dimension, clips in clip_scores(scores, Method(model, run)).items()
        }
        for run in runs
    ]


def _on_shared_prompts(means: Mapping[str, list[dict[str, dict[str, float]]]], model: str) -> dict[str, Floats]:
    """Prompt scores (runs, prompts) of each dimension on the prompts that every run of every model has."""
    everything = [run for runs in means.values() for run in runs]
    dimensions = sorted(set.intersection(*(set(run) for run in everything)))
    shared = {name: sorted(set.intersection(*(set(run[name]) for run in everything))) for name in dimensions}
    return {
        name: np.array([[run[name][prompt] for prompt in shared[name]] for run in means[model]])
        for name in dimensions
        if shared[name]
    }


def _compare(
    method: MethodScores,
    baseline: MethodScores,
    constants: Sequence[DimensionConstant],
    seed: int,
    settings: BootstrapSettings,
    denominators: tuple[MethodScores, MethodScores],
) -> BootstrapComparison:
    unpaired = sorted(method.keys() ^ baseline.keys())
    if unpaired:
        raise UserError(
            f"Dimension {unpaired[0]!r} is in one method's scores only.",
            "score it for both, or name the dimensions to compare.",
        )
    pairs = paired_samples(method, baseline, settings.weighting, denominators)
    compared = group_bootstrap(pairs, constants, settings, rng=generator("paired_bootstrap", seed))
    for side in ("a", "b"):
        means = {one.name: mean for one in compared.dimensions if (mean := getattr(one, side)) is not None}
        check_possible(means, constants)
        warn_outside(means, constants)
    return compared


def _frame_denominators(table: ScoreTable, constants: Sequence[DimensionConstant]) -> Scores:
    """Denominators of the dimensions that the official score pools by frames."""
    by_frames = [constant.dimension for constant in constants if constant.pooling == "frames"]
    return {**read_denominators(table, by_frames)}


def paired_samples(
    method: MethodScores,
    baseline: MethodScores,
    weighting: Weighting = "prompt-mean",
    denominators: tuple[MethodScores, MethodScores] = ({}, {}),
) -> dict[str, PairedSamples]:
    """Scores of both methods on the same prompts, dimension by dimension.

    A prompt that only one method has a score for is left out where prompts weigh alike; else it stays, with what it
    has.

    Args:
        method: scores of one.
        baseline: scores of the other.
        weighting: how videos will be weighed.
        denominators: of both, where frames are weighed.

    Raises:
        UserError: if a prompt is absent from one method.
    """
    pairs = {}
    for dimension in method:
        ours, theirs = prompt_videos(method[dimension]), prompt_videos(baseline[dimension])
        check_same_prompts(dimension, ours, theirs)
        both_needed = weighting == "prompt-mean"
        kept = [p for p in sorted(ours) if (ours[p] and theirs[p] if both_needed else ours[p] or theirs[p])]
        counted = [
            prompt_denominators(scores[dimension], frames.get(dimension, {}))
            for scores, frames in zip((method, baseline), denominators, strict=True)
        ]
        pairs[dimension] = PairedSamples(tuple(kept), _array(kept, [ours, theirs]), _array(kept, counted))
    return pairs


def _array(prompts: Sequence[str], methods: Sequence[Mapping[str, list[float]]]) -> Floats:
    """(M, P, S), NaN where a prompt has fewer videos than another."""
    width = max([1, *(len(videos[prompt]) for videos in methods for prompt in prompts)])
    values = np.full((len(methods), len(prompts), width), np.nan)
    for m, videos in enumerate(methods):
        for row, prompt in enumerate(prompts):
            values[m, row, : len(videos[prompt])] = videos[prompt]
    return values


def _coverage(method: Method, baseline: Method, scores: MethodScores, reference: MethodScores) -> tuple[Coverage, ...]:
    rows = []
    for dimension in scores:
        planned = scores[dimension].keys() | reference[dimension].keys()
        rows.append(coverage(dimension, method.label(), scores[dimension], planned))
        rows.append(coverage(dimension, baseline.label(), reference[dimension], planned))
    return tuple(rows)


def _method(method: str | Method) -> Method:
    return Method(method) if isinstance(method, str) else method


def _of_models(scores: Scores, models: set[str]) -> Scores:
    found = {key.model for key in scores}
    absent = sorted(models - found)
    if absent:
        raise UserError(f"The score table has no model {absent[0]!r}.", f"use one of: {_listed(found)}.")
    return {key: value for key, value in scores.items() if key.model in models}


def _of_one(scores: Scores, column: str, wanted: str | None) -> Scores:
    """Keep the rows of one suite or horizon; a table with several needs to be told which."""
    position = ScoreKey._fields.index(column)
    found = {str(key[position]) for key in scores}
    if wanted is None and len(found) > 1:
        raise UserError(f"The score table holds several values of {column}: {_listed(found)}.", f"say which {column}.")
    if wanted is not None and wanted not in found:
        raise UserError(f"The score table has no {column} {wanted!r}.", f"use one of: {_listed(found)}.")
    return scores if wanted is None else {key: value for key, value in scores.items() if key[position] == wanted}


def _resolve(scores: Scores, method: Method) -> Method:
    """The method with its training run, which has to be given where the model has several."""
    runs = {key.training_run for key in scores if key.model == method.model}
    if not runs:
        raise UserError(
            f"The score table has no rows of model {method.model!r} in this suite, horizon and these dimensions.",
            "score it there, or compare others.",
        )
    if method.training_run is None and len(runs) == 1:
        return Method(method.model, *runs)
    if method.training_run not in runs:
        problem = f"The score table has no training run {method.training_run!r} of {method.model!r}."
        if method.training_run is None:
            problem = f"The score table has {len(runs)} training runs of {method.model!r}."
        raise UserError(problem, f"name one of: {_listed(runs)}.")
    return method


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def pairs_of_table(table: ScoreTable, baseline: str | Method, method: str | Method) -> dict[str, PairedSamples]:
    """Scores of a method and a baseline of one suite and horizon on the same prompts, by dimension.

    Raises:
        UserError: as `compare_score_tables`.
    """
    scores = _of_models(read_table(table), {_method(one).model for one in (baseline, method)})
    scores = _of_one(_of_one(scores, "suite", None), "horizon", None)
    ours, theirs = (clip_scores(scores, _resolve(scores, _method(one))) for one in (method, baseline))
    return paired_samples(ours, theirs)
