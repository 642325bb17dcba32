"""Comparing scored runs: the paired bootstrap of their score tables, as one record."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from probekit.collection_pause import collection_paused
from probekit.errors import UserError
from probekit.evaluation.scoring.backends import scorers_for
from probekit.evaluation.vbench.result_files import (
    OFFICIAL_RUN,
    SUITE,
    official_card,
    official_files,
    read_official_results,
)
from probekit.provenance import command_line, sha256_file
from probekit.reporting.build_record import comparison_record
from probekit.reporting.comparison_record import ComparisonRecord
from probekit.run_folder.protocol_card import ProtocolCard, mismatches, read_protocol
from probekit.run_folder.score_table import SCHEMA, SCORES_FOLDER, ScoreRow, read_scores
from probekit.statistics.bootstrap_settings import BootstrapSettings
from probekit.statistics.coverage import joined
from probekit.statistics.prompt_scores import Method
from probekit.statistics.score_arrays import MethodScores, read_columns
from probekit.statistics.score_comparison import ScoredMethod, compare_methods
from probekit.suites.registry import constants_of
from probekit.workflows.video_plan import planned_videos

if TYPE_CHECKING:
    import pandas

LOGGER = logging.getLogger("probekit")


class ScoredRun(NamedTuple):
    """A run folder with scores.

    Attributes:
        table: its score table.
        method: the one model and training run that the table holds.
        suite: the one suite.
        horizon: the one horizon.
        scores: scores of the table by dimension.
        missing: reason of each dimension that has no scores, where the files of the run say so.
    """

    root: Path
    table: "pandas.DataFrame"
    protocol: ProtocolCard
    method: Method
    suite: str
    horizon: str
    scores: MethodScores
    missing: Mapping[str, str] = MappingProxyType({})


def open_scored_run(root: Path) -> ScoredRun:
    """Read a run folder's scores and protocol, or a folder of VBench's own `*_eval_results.json`.

    Raises:
        UserError: if the folder has no scores, or holds more than one model, suite or horizon.
    """
    if not (root / SCORES_FOLDER).is_dir() and official_files(root):
        return _open_official(root)
    if not (root / SCORES_FOLDER).is_dir():
        raise UserError(f"{root} has no scores.", f"Run `probekit score {root}` first.")
    table = read_scores(root / SCORES_FOLDER)
    only = {column: _single(table, column, root) for column in ("model", "training_run", "suite", "horizon")}
    method = Method(only["model"], only["training_run"])
    scores = read_columns(table).of_method(method)
    return ScoredRun(root, table, read_protocol(root), method, only["suite"], only["horizon"], scores)


@collection_paused()
def _open_official(root: Path) -> ScoredRun:
    """Official results as a scored run; its card says what the files do: prompts, samples and dimensions."""
    found = read_official_results(root, allow_missing=True)
    rows = found.rows
    if not rows:
        raise UserError(f"{root} holds no video's score.", "Give the folder that VBench wrote.")
    for error in found.faults.values():
        LOGGER.warning("left out: %s", error.problem)
    columns = dict(zip(ScoreRow._fields, zip(*rows, strict=True), strict=True))
    method = Method(rows[0].model, rows[0].training_run)
    scores = read_columns(columns).of_method(method)
    card, horizon = official_card(rows), rows[0].horizon
    return ScoredRun(root, _frame(columns), card, method, SUITE, horizon, scores, found.missing())


def _frame(columns: Mapping[str, Sequence[Any]]) -> "pandas.DataFrame":
    """Columns as a table; texts, of which few differ, are stored once each."""
    import pandas

    texts = {field.name for field in SCHEMA if field.type == "string" and not field.nullable}
    return pandas.DataFrame(
        {name: pandas.Categorical(values) if name in texts else values for name, values in columns.items()}
    )


def _single(table: "pandas.DataFrame", column: str, root: Path) -> str:
    values = sorted(set(table[column]))
    if len(values) != 1:
        raise UserError(f"{root} holds scores of several values of {column}: {values}.", "Keep one per folder.")
    return str(values[0])


def baseline_first(runs: Sequence[Path], baseline: Path | None) -> list[Path]:
    """The runs with the baseline in front.

    Raises:
        UserError: if the baseline is not one of them.
    """
    if baseline is None:
        return list(runs)
    if baseline not in runs:
        raise UserError(f"The baseline {baseline} is not among the runs.", f"Name one of: {', '.join(map(str, runs))}.")
    return [baseline, *(run for run in runs if run != baseline)]


def compare_runs(
    runs: Sequence[ScoredRun],
    *,
    seed: int = 0,
    settings: BootstrapSettings | None = None,
    allow_mismatch: bool = False,
) -> ComparisonRecord:
    """Compare runs with the first of them, by the paper's paired prompt-level bootstrap.

    Args:
        runs: the baseline, then one or more methods.
        seed: seed of the resampling.
        settings: resampling, intervals, replicates and level; by default the paper's.
        allow_mismatch: compare although the protocols differ; every table then carries a banner.

    Raises:
        UserError: if there are fewer than two runs, their suites differ, or their protocols do.
    """
    if len(runs) < 2:
        raise UserError("There is nothing to compare.", "Give a baseline and at least one other run folder.")
    baseline, *methods = runs
    if not allow_mismatch:
        _refuse_mismatches(baseline, methods)
    for run in methods:
        if (run.suite, run.horizon) != (baseline.suite, baseline.horizon):
            raise UserError(
                f"{run.root} is {run.suite} at {run.horizon}, {baseline.root} {baseline.suite} at {baseline.horizon}.",
                "Compare runs of one suite and horizon.",
            )
    asked = settings or BootstrapSettings()
    constants = constants_of(baseline.suite)
    kept = shared_dimensions(runs)
    grouped = by_model(kept) if asked.of_runs else [[run] for run in kept]
    reference, *others = [_scored_method(own, by_recipe=asked.of_runs) for own in grouped]
    return comparison_record(
        compare_methods(reference, others, constants, seed=seed, settings=asked),
        constants,
        {one.method: own[0].protocol for one, own in zip([reference, *others], grouped, strict=True)},
        suite=baseline.suite,
        horizon=baseline.horizon,
        seed=seed,
        not_run=_not_run(runs),
        score_files=_score_files(runs),
        command=command_line(),
        bootstrap=asked,
    )


def shared_dimensions(runs: Sequence[ScoredRun]) -> list[ScoredRun]:
    """The runs with scores of the dimensions that all of them have."""
    shared = set.intersection(*(set(run.scores) for run in runs))
    return [run._replace(scores={name: run.scores[name] for name in run.scores if name in shared}) for run in runs]


def _not_run(runs: Sequence[ScoredRun]) -> dict[str, str]:
    """Why dimensions cannot be compared; weights matter only where this toolkit would score and nobody has."""
    scored = {run.root: set(run.table["dimension"]) for run in runs}
    imported = any(run.method.training_run == OFFICIAL_RUN for run in runs)
    reasons = {} if imported else {each.dimension: each.reason for each in scorers_for(runs[0].suite).not_run}
    for dimension in set.union(*scored.values()) - set.intersection(*scored.values()):
        lacking = [run.method.model for run in runs if dimension not in scored[run.root]]
        reasons[dimension] = f"no scores of {', '.join(lacking)}"
    for run in runs:
        reasons |= {dimension: f"{run.method.model}: {reason}" for dimension, reason in run.missing.items()}
    return reasons


def by_model(runs: Sequence[ScoredRun]) -> list[list[ScoredRun]]:
    """The runs of each model, in the order of the models.

    Raises:
        UserError: if two folders are of one training run, or all are of one model.
    """
    found: dict[str, list[ScoredRun]] = {}
    for run in runs:
        own = found.setdefault(run.method.model, [])
        twin = next((other for other in own if other.method == run.method), None)
        if twin is not None and run.method.training_run != OFFICIAL_RUN:
            raise UserError(
                f"{twin.root} and {run.root} are both of {run.method.label()}.",
                "Give one folder of each training run.",
            )
        own.append(run)
    if len(found) < 2:
        raise UserError(f"All runs are of {runs[0].method.model}.", "Give training runs of two models.")
    return list(found.values())


def _scored_method(runs: Sequence[ScoredRun], *, by_recipe: bool) -> ScoredMethod:
    method = Method(runs[0].method.model) if by_recipe else runs[0].method
    plans = [planned_videos(run.root, run.suite, run.scores) for run in runs]
    dimensions = dict.fromkeys(name for plan in plans for name in plan)
    planned = {name: joined(*(plan.get(name, {}) for plan in plans)) for name in dimensions}
    return ScoredMethod(method, [run.scores for run in runs], planned)


def _refuse_mismatches(baseline: ScoredRun, methods: Sequence[ScoredRun]) -> None:
    for run in methods:
        for field, ours, theirs in mismatches(baseline.protocol, run.protocol):
            if field.startswith("scorers.") and None in (ours, theirs):
                without, other = (baseline, run) if ours is None else (run, baseline)
                raise UserError(
                    f"{without.root} has no scores of {field.removeprefix('scorers.')}, which {other.root} has.",
                    "Score what is missing, or pass --allow-mismatch to compare the rest with a banner.",
                )
            raise UserError(
                f"The protocols of {baseline.root} and {run.root} differ in {field}: {ours!r} and {theirs!r}.",
                "Score both under one protocol, or pass --allow-mismatch to compare with a banner.",
            )


def _score_files(runs: Sequence[ScoredRun]) -> dict[str, str]:
    return {
        f"{run.root.name}/{path.name}": sha256_file(path)
        for run in runs
        for path in sorted((run.root / SCORES_FOLDER).glob("*.parquet"))
    }
