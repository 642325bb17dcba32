"""The tables of a sweep: rows against the first, every pair of rows, and what training took; also of a part of it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean

from probekit.atomic_files import write_text
from probekit.errors import UserError
from probekit.reporting.comparison_io import write_comparison
from probekit.reporting.comparison_record import ComparisonRecord
from probekit.reporting.pair_table import pair_table
from probekit.statistics.bootstrap_settings import BootstrapSettings
from probekit.workflows.compare import compare_runs, open_scored_run
from probekit.workflows.pairs import pairs_of_total, write_pairs
from trainer.config.sweep import SweepConfig, SweepSuite, load_sweep
from trainer.model_card import trained_seconds
from trainer.sweep_page import RowCost, sweep_page
from trainer.sweep_runs import RowRun, runs_of, trainings_of
from trainer.sweep_scoring import is_scored, sampled, suite_of, table_of, videos_of


def compare_finished(
    sweep: Path, out: Path, overrides: Sequence[str] = (), scale: str = "sprite", seeds: int | None = None
) -> ComparisonRecord:
    """Write the tables of those runs that are trained and scored; nothing is trained or scored.

    Args:
        sweep: sweep file.
        out: folder of the runs and of the tables.
        overrides: changes of every recipe, as the sweep is run with.
        scale: models that are trained.
        seeds: training runs of every row; None for the sweep's own numbers.

    Raises:
        UserError: if the first row and another one have no finished run.
    """
    config = load_sweep(sweep, scale).with_seeds(seeds)
    changes = (*config.set, *overrides)
    records = [
        write_tables(config, scored, finished_runs(config, scored, out), sweep.parent, out, changes)
        for scored in config.suites
        if _is_begun(config, scored, out)
    ]
    if not records:
        raise UserError(
            f"{out} has no finished run of {config.rows[0].label!r} and of another row.", "Run the sweep first."
        )
    return records[0]


def _is_begun(config: SweepConfig, scored: SweepSuite, out: Path) -> bool:
    rows = {run.row.name for run in finished_runs(config, scored, out)}
    return config.rows[0].name in rows and len(rows) > 1


def finished_runs(config: SweepConfig, scored: SweepSuite, out: Path) -> list[RowRun]:
    """Runs that are scored on a suite, of each row up to the first that is not: runs are pairs by their numbers."""
    planned = len(suite_of(scored).keys())
    open_rows, found = set[str](), list[RowRun]()
    for run in runs_of(config):
        videos = videos_of(run, out, config, scored)
        if run.row.name in open_rows or sampled(videos) < planned or not is_scored(videos):
            open_rows.add(run.row.name)
        else:
            found.append(run)
    return found


def write_tables(
    config: SweepConfig,
    scored: SweepSuite,
    runs: Sequence[RowRun],
    recipes: Path,
    out: Path,
    changes: Sequence[str],
) -> ComparisonRecord:
    """Compare rows on one suite; writes the comparison, `pairs.csv` and `sweep.md`.

    Args:
        config: the sweep.
        scored: suite.
        runs: scored runs, those of the first row among them.
        recipes: folder that the paths of recipes are relative to.
        out: folder of the runs.
        changes: overrides of every recipe.

    Raises:
        UserError: as `compare_runs`.
    """
    rows = tuple(row for row in config.rows if any(run.row.name == row.name for run in runs))
    part = config.model_copy(update={"rows": rows})
    names = [row.name for row in rows]
    by_row = sorted(runs, key=lambda run: names.index(run.row.name))
    settings = BootstrapSettings(resampling="paired-runs" if len(runs) > len(rows) else "paper")
    opened = [open_scored_run(videos_of(run, out, config, scored)) for run in by_row]
    record, folder = compare_runs(opened, settings=settings), table_of(out, config, scored)
    labels = dict(zip(record.models(), (row.label for row in rows), strict=True))
    pairs = pairs_of_total(opened, settings=settings)
    write_pairs(folder, pairs, labels)
    write_comparison(folder, record)
    costs = list(_costs(config, runs, recipes, out, changes))
    write_text(folder / "sweep.md", sweep_page(part, scored, record, costs, pair_table(pairs, labels)))
    return record


def _costs(
    config: SweepConfig, runs: Sequence[RowRun], recipes: Path, out: Path, changes: Sequence[str]
) -> Iterator[RowCost]:
    for row in config.rows:
        own = [run for run in runs if run.row.name == row.name]
        seconds = [
            sum(trained_seconds(training.folder) for training in trainings_of(run, recipes, out, changes))
            for run in own
        ]
        planned = config.more_seeds.get(row.name, config.seeds)
        yield RowCost(row.label, len(own), planned, fmean(seconds) / 60 if seconds else None)
