"""Comparing scored runs: the paired bootstrap of their score tables, as one record."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from probekit.errors import UserError
from probekit.evaluation.scoring.backends import scorers_for
from probekit.evaluation.vbench.result_files import SUITE, official_card, official_files, read_official_results
from probekit.provenance import command_line, sha256_file
from probekit.reporting.build_record import comparison_record
from probekit.reporting.comparison_record import ComparisonRecord
from probekit.run_folder.protocol_card import ProtocolCard, mismatches, read_protocol
from probekit.run_folder.score_table import COLUMNS, SCORES_FOLDER, read_scores
from probekit.statistics.bootstrap_settings import BootstrapSettings
from probekit.statistics.prompt_scores import Method
from probekit.statistics.score_comparison import compare_recipes, compare_score_tables
from probekit.suites.registry import constants_of

if TYPE_CHECKING:
    import pandas


class ScoredRun(NamedTuple):
    """A run folder with scores.

    Attributes:
        table: its score table.
        method: the one model and training run that the table holds.
        suite: the one suite.
        horizon: the one horizon.
    """

    root: Path
    table: "pandas.DataFrame"
    protocol: ProtocolCard
    method: Method
    suite: str
    horizon: str


def open_scored_run(root: Path) -> ScoredRun:
    """Read a run folder's scores and protocol, or a folder of VBench's own `*_eval_results.json`.

    Raises:
        UserError: if the folder has no scores, or holds more than one model, suite or horizon.
    """
    if not (root / SCORES_FOLDER).is_dir() and official_files(root):
        return _open_official(root)
    if not (root / SCORES_FOLDER).is_dir():
        raise UserError(f"{root} has no scores.", f"run `probekit score {root}` first.")
    table = read_scores(root / SCORES_FOLDER)
    only = {column: _single(table, column, root) for column in ("model", "training_run", "suite", "horizon")}
    method = Method(only["model"], only["training_run"])
    return ScoredRun(root, table, read_protocol(root), method, only["suite"], only["horizon"])


def _open_official(root: Path) -> ScoredRun:
    """Official results as a scored run; its card says what the files do: prompts, samples and dimensions."""
    import pandas

    rows = read_official_results(root)
    table = pandas.DataFrame(rows, columns=list(COLUMNS))
    method = Method(rows[0].model, rows[0].training_run)
    return ScoredRun(root, table, official_card(rows), method, SUITE, rows[0].horizon)


def _single(table: "pandas.DataFrame", column: str, root: Path) -> str:
    values = sorted(set(table[column]))
    if len(values) != 1:
        raise UserError(f"{root} holds scores of several values of {column}: {values}.", "keep one a folder.")
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
        seed: of the resampling.
        settings: resampling, intervals, replicates and level; by default the paper's.
        allow_mismatch: compare although the protocols differ; every table then carries a banner.

    Raises:
        UserError: if there are fewer than two runs, their suites differ, or their protocols do.
    """
    import pandas

    if len(runs) < 2:
        raise UserError("There is nothing to compare.", "give a baseline and at least one other run folder.")
    baseline, *methods = runs
    if not allow_mismatch:
        _refuse_mismatches(baseline, methods)
    for run in methods:
        if (run.suite, run.horizon) != (baseline.suite, baseline.horizon):
            raise UserError(
                f"{run.root} is {run.suite} at {run.horizon}, {baseline.root} {baseline.suite} at {baseline.horizon}.",
                "compare runs of one suite and horizon.",
            )
    constants = constants_of(baseline.suite)
    if settings is not None and settings.resampling == "runs":
        return _compare_recipes(runs, seed=seed, settings=settings)
    comparisons = compare_score_tables(
        pandas.concat([run.table for run in runs], ignore_index=True),
        baseline.method,
        [run.method for run in methods],
        constants,
        seed=seed,
        settings=settings,
    )
    return comparison_record(
        comparisons,
        constants,
        {run.method: run.protocol for run in runs},
        suite=baseline.suite,
        horizon=baseline.horizon,
        seed=seed,
        not_run={missing.dimension: missing.reason for missing in scorers_for(baseline.suite).not_run},
        score_files=_score_files(runs),
        command=command_line(),
        bootstrap=settings or BootstrapSettings(),
    )


def _compare_recipes(runs: Sequence[ScoredRun], *, seed: int, settings: BootstrapSettings) -> ComparisonRecord:
    """Compare models by all their training runs among `runs`."""
    import pandas

    baseline = runs[0]
    constants = constants_of(baseline.suite)
    table = pandas.concat([run.table for run in runs], ignore_index=True)
    models = list(dict.fromkeys(run.method.model for run in runs))
    comparisons = compare_recipes(table, models[0], models[1:], constants, seed=seed, settings=settings)
    protocols = {Method(run.method.model): run.protocol for run in reversed(runs)}
    return comparison_record(
        comparisons,
        constants,
        protocols,
        suite=baseline.suite,
        horizon=baseline.horizon,
        seed=seed,
        not_run={},
        score_files=_score_files(runs),
        command=command_line(),
        bootstrap=settings,
    )


def _refuse_mismatches(baseline: ScoredRun, methods: Sequence[ScoredRun]) -> None:
    for run in methods:
        for field, ours, theirs in mismatches(baseline.protocol, run.protocol):
            raise UserError(
                f"The protocols of {baseline.root} and {run.root} differ in {field}: {ours!r} and {theirs!r}.",
                "score both under one protocol, or pass --allow-mismatch to compare with a banner.",
            )


def _score_files(runs: Sequence[ScoredRun]) -> dict[str, str]:
    return {
        f"{run.root.name}/{path.name}": sha256_file(path)
        for run in runs
        for path in sorted((run.root / SCORES_FOLDER).glob("*.parquet"))
    }
