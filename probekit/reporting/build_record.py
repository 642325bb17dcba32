"""From finished statistics and protocol cards to the stored record of a comparison."""

from collections.abc import Mapping, Sequence

from probekit.errors import UserError
from probekit.evaluation.aggregation import COMPOSITES
from probekit.reporting.comparison_record import (
    ComparisonRecord,
    ComparisonRow,
    ComparisonSettings,
    ConstantRow,
    DimensionNotRun,
    ProtocolMismatch,
    RowGroup,
    VideoCoverage,
)
from probekit.run_folder.protocol_card import ProtocolCard, mismatches
from probekit.statistics.bootstrap_settings import BootstrapSettings
from probekit.statistics.coverage import Coverage
from probekit.statistics.difference_estimate import BootstrapComparison, DifferenceEstimate
from probekit.statistics.prompt_scores import Method
from probekit.statistics.score_comparison import MethodComparison
from probekit.suites.dimension_constants import DimensionConstant

PERCENT = 100.0


def comparison_record(
    comparisons: Sequence[MethodComparison],
    constants: Sequence[DimensionConstant],
    protocols: Mapping[Method, ProtocolCard],
    *,
    suite: str,
    horizon: str,
    seed: int,
    not_run: Mapping[str, str],
    score_files: Mapping[str, str],
    command: str,
    bootstrap: BootstrapSettings | None = None,
) -> ComparisonRecord:
    """Gather a finished comparison into one record.

    Args:
        comparisons: result of `compare_score_tables`, all against one baseline.
        constants: the suite's dimensions, as given there.
        protocols: card of the baseline and of every method. Cards that differ in a scoring field give the record a
            banner; refusing such a comparison is the caller's decision.
        suite: suite of the scores.
        horizon: horizon of the scores.
        seed: seed given to `compare_score_tables`.
        not_run: reason for dimensions that have no scores; a missing dimension that is not named here is listed as
            absent from the score tables.
        score_files: SHA-256 of each score file, by name.
        command: command that made the comparison.
        bootstrap: settings given to `compare_score_tables`; by default the paper's.

    Raises:
        UserError: There is no comparison, the baselines differ, or a card is missing.
    """
    labels = _labels(comparisons)
    cards = {label: _card(protocols, method) for method, label in labels.items()}
    baseline = labels[comparisons[0].baseline]
    found, asked = comparisons[0].bootstrap, bootstrap or BootstrapSettings()
    return ComparisonRecord(
        baseline=baseline,
        methods=tuple(labels[comparison.method] for comparison in comparisons),
        settings=ComparisonSettings(
            suite=suite,
            horizon=horizon,
            seed=seed,
            replicates=found.replicates,
            level=found.level,
            resampling=asked.resampling,
            interval=asked.interval,
            weighting=asked.weighting,
            constants=tuple(ConstantRow(**constant._asdict()) for constant in constants),
        ),
        rows=_rows(comparisons, constants, labels),
        not_run=_not_run(comparisons, not_run),
        mismatches=_mismatches(cards, baseline),
        protocols=cards,
        score_files=dict(score_files),
        command=command,
    )


def _labels(comparisons: Sequence[MethodComparison]) -> dict[Method, str]:
    """Names for display, baseline first: the training run is named only where the model alone is ambiguous."""
    if not comparisons:
        raise UserError("No method is compared with the baseline.", "Name at least one method.")
    baselines = {comparison.baseline for comparison in comparisons}
    if len(baselines) > 1:
        names = ", ".join(sorted(baseline.label() for baseline in baselines))
        raise UserError(f"The comparisons have different baselines: {names}.", "Compare with one baseline at a time.")
    methods = dict.fromkeys([comparisons[0].baseline, *(comparison.method for comparison in comparisons)])
    if len(methods) != len(comparisons) + 1:
        raise UserError("A method is compared twice or with itself.", "Name each method once, beside the baseline.")
    models = [method.model for method in methods]
    return {method: method.model if models.count(method.model) == 1 else method.label() for method in methods}


def _card(protocols: Mapping[Method, ProtocolCard], method: Method) -> ProtocolCard:
    if method not in protocols:
        raise UserError(f"There is no protocol card of {method.label()}.", "Give the protocol.json beside its scores.")
    return protocols[method]


def _rows(
    comparisons: Sequence[MethodComparison], constants: Sequence[DimensionConstant], labels: Mapping[Method, str]
) -> tuple[ComparisonRow, ...]:
    blocks = [_rows_of_method(comparison, constants, labels) for comparison in comparisons]
    order = [constant.dimension for constant in constants if any(constant.dimension in block for block in blocks)]
    return tuple(block[name] for name in (*order, *COMPOSITES) for block in blocks if name in block)


def _rows_of_method(
    comparison: MethodComparison, constants: Sequence[DimensionConstant], labels: Mapping[Method, str]
) -> dict[str, ComparisonRow]:
    method = labels[comparison.method]
    groups: dict[str, RowGroup] = {constant.dimension: constant.group for constant in constants}
    videos = _coverage_pairs(comparison.coverage)
    rows = {
        estimate.name: _row(method, groups[estimate.name], estimate, videos.get(estimate.name))
        for estimate in comparison.bootstrap.dimensions
    }
    for name in () if set(groups.values()) == {"single"} else COMPOSITES:
        rows[name] = _aggregate_row(method, name, comparison.bootstrap, groups)
    return rows


def _coverage_pairs(coverage: Sequence[Coverage]) -> dict[str, tuple[VideoCoverage, VideoCoverage]]:
    """(method, baseline) of each dimension; `MethodComparison.coverage` lists them in this order."""
    by_dimension: dict[str, list[VideoCoverage]] = {}
    for entry in coverage:
        videos = VideoCoverage(scored=entry.n_scored, planned=entry.n_planned)
        by_dimension.setdefault(entry.dimension, []).append(videos)
    return {dimension: (pair[0], pair[1]) for dimension, pair in by_dimension.items()}


def _row(
    method: str,
    group: RowGroup,
    estimate: DifferenceEstimate,
    videos: tuple[VideoCoverage, VideoCoverage] | None,
) -> ComparisonRow:
    scale = PERCENT if estimate.unit == "raw" else 1.0
    return ComparisonRow(
        quantity=estimate.name,
        group=group,
        method=method,
        baseline_mean=_scaled(estimate.b, scale),
        method_mean=_scaled(estimate.a, scale),
        difference=_scaled(estimate.difference, scale),
        standard_error=_scaled(estimate.standard_error, scale),
        low=_scaled(estimate.low, scale),
        high=_scaled(estimate.high, scale),
        star=estimate.star,
        n_prompts=estimate.n_prompts,
        baseline_videos=videos[1] if videos else None,
        method_videos=videos[0] if videos else None,
        reason=estimate.reason,
        closed_form_error=_scaled(estimate.closed_form_error, scale),
        interval=estimate.interval,
        instead=estimate.instead,
        p_value=estimate.p_value,
    )


def _aggregate_row(
    method: str, name: str, bootstrap: BootstrapComparison, groups: Mapping[str, RowGroup]
) -> ComparisonRow:
    estimates = dict(zip(COMPOSITES, (bootstrap.quality, bootstrap.semantic, bootstrap.total), strict=True))
    estimate = estimates[name]
    if estimate is not None:
        return _row(method, "aggregate", estimate, None)
    needed = [dimension for dimension in bootstrap.missing if name in ("total", groups[dimension])]
    reason = f"{len(needed)} of its dimensions not scored" if needed else "the suite has no such dimensions"
    absent = DifferenceEstimate(name, None, None, None, None, None, None, False, 0, "percent", reason)
    return _row(method, "aggregate", absent, None)


def _scaled(value: float | None, scale: float) -> float | None:
    return None if value is None else value * scale


def _not_run(comparisons: Sequence[MethodComparison], reasons: Mapping[str, str]) -> tuple[DimensionNotRun, ...]:
    """Dimensions without a row that has a difference, whatever scorers this machine has."""
    compared = {one.name for found in comparisons for one in found.bootstrap.dimensions if one.difference is not None}
    names = dict.fromkeys([*comparisons[0].bootstrap.missing, *reasons])
    absent = "not in the score tables"
    return tuple(
        DimensionNotRun(dimension=name, reason=reasons.get(name, absent)) for name in names if name not in compared
    )


def _mismatches(cards: Mapping[str, ProtocolCard], baseline: str) -> tuple[ProtocolMismatch, ...]:
    return tuple(
        ProtocolMismatch(method=label, field=field, baseline_value=of_baseline, method_value=of_method)
        for label, card in cards.items()
        if label != baseline
        for field, of_baseline, of_method in mismatches(cards[baseline], card)
    )
