"""Every pair of scored models on Total, with p-values that are adjusted for their number."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from probekit.reporting.comparison_record import ComparisonRecord, ComparisonRow
from probekit.reporting.pair_table import PAIRS, PairRow, pair_table
from probekit.statistics.bootstrap_settings import BootstrapSettings
from probekit.statistics.significance import holm
from probekit.statistics.significance_table import significance_rows
from probekit.suites.registry import constants_of
from probekit.workflows.compare import ScoredRun, by_model, compare_runs
from probekit.workflows.significance import pairs_of_runs

_TOTAL: Final = "total"


def pairs_of_total(
    runs: Sequence[ScoredRun],
    *,
    first: ComparisonRecord | None = None,
    seed: int = 0,
    settings: BootstrapSettings | None = None,
    allow_mismatch: bool = False,
) -> list[PairRow]:
    """Total of each model minus Total of every model before it.

    Args:
        runs: runs of two or more models, in the order of the models; each pair is compared as `compare_runs` does.
        first: what `compare_runs` makes of the same runs, seed and settings, where it is there already.
        seed: seed of the resampling.
        settings: resampling, intervals, replicates and level; by default the paper's.
        allow_mismatch: compare although the protocols differ.

    Returns:
        The pairs; none for a suite without a Total.

    Raises:
        UserError: as `compare_runs`.
    """
    asked = settings or BootstrapSettings()
    groups = by_model(runs) if asked.of_runs else [[run] for run in runs]
    found = list[PairRow]()
    for number, own in enumerate(groups[:-1]):
        later = groups[number + 1 :]
        record = None if number else first
        if record is None:
            rest = [*own, *(run for group in later for run in group)]
            record = compare_runs(rest, seed=seed, settings=asked, allow_mismatch=allow_mismatch)
        totals = {row.method: row for row in record.rows if row.quantity == _TOTAL}
        for method, group in zip(record.methods, later, strict=True):
            if method in totals:
                found.append(_pair(record.baseline, own, group, totals[method], asked, seed))
    return list(_adjusted(found))


def _pair(
    baseline: str,
    own: Sequence[ScoredRun],
    other: Sequence[ScoredRun],
    total: ComparisonRow,
    settings: BootstrapSettings,
    seed: int,
) -> PairRow:
    p_value = total.p_value if settings.of_runs else _sign_flip(own[0], other[0], settings, seed)
    return PairRow(
        total.method, baseline, min(len(own), len(other)), total.difference, total.standard_error, total.low,
        total.high, total.n_prompts, None if total.low is None else p_value, None, total.interval, total.instead,
        total.reason,
    )  # fmt: skip


def _sign_flip(baseline: ScoredRun, method: ScoredRun, settings: BootstrapSettings, seed: int) -> float | None:
    constants, weighting = constants_of(baseline.suite), settings.weighting
    rows = significance_rows(pairs_of_runs(baseline, method, weighting), constants, seed=seed, weighting=weighting)
    return next((row.p_value for row in rows if row.quantity == _TOTAL), None)


def _adjusted(rows: Sequence[PairRow]) -> Iterator[PairRow]:
    adjusted = iter(holm([row.p_value for row in rows if row.p_value is not None]))
    for row in rows:
        yield row if row.p_value is None else row._replace(holm=next(adjusted))


def write_pairs(out: Path, rows: Sequence[PairRow], labels: dict[str, str] | None = None) -> None:
    """Write `pairs.csv` and `pairs.md` beside a comparison.

    Args:
        out: folder of the comparison.
        rows: pairs.
        labels: what readers see in place of a model's name.
    """
    pair_table(rows, labels).write(out, PAIRS)
