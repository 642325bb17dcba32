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
from trainer.config.sweep import SweepSuite
from trainer.engine.follow_up import EXPORT
from trainer.model_card import processor_seconds, trained_seconds
from trainer.sweeps.open_sweep import OpenSweep, RowRun
from trainer.sweeps.page import RowCost, sweep_page
from trainer.sweeps.reading_table import reading_rows, reading_table
from trainer.sweeps.reading_values import Values, values_of
from trainer.sweeps.readings import READINGS, readings_of
from trainer.sweeps.scoring import is_finished, table_of, videos_of


def compare_finished(sweep: OpenSweep) -> ComparisonRecord:
    """Write the tables of those runs that are trained and scored; nothing is trained or scored.

    Raises:
        UserError: if the first row and another one have no finished run.
    """
    records = []
    for scored in sweep.config.suites:
        runs = finished_runs(sweep, scored)
        rows = {run.row.name for run in runs}
        if sweep.config.rows[0].name in rows and len(rows) > 1:
            records.append(write_tables(sweep, scored, runs))
    write_readings(sweep)
    if not records:
        first = sweep.config.rows[0].label
        raise UserError(f"{sweep.out} has no finished run of {first!r} and of another row.", "Run the sweep first.")
    return records[0]


def finished_runs(sweep: OpenSweep, scored: SweepSuite) -> list[RowRun]:
    """Runs that are scored on a suite, of each row up to the first that is not: runs are pairs by their numbers."""
    open_rows, found = set[str](), list[RowRun]()
    for run in sweep.runs():
        if run.row.name in open_rows or not is_finished(videos_of(run, sweep.out, sweep.config, scored), scored):
            open_rows.add(run.row.name)
        else:
            found.append(run)
    return found


def write_tables(sweep: OpenSweep, scored: SweepSuite, runs: Sequence[RowRun]) -> ComparisonRecord:
    """Compare rows on one suite; writes the comparison, `pairs.csv` and `sweep.md`.

    Args:
        sweep: the sweep.
        scored: one of its suites.
        runs: scored runs, those of the first row among them.

    Raises:
        UserError: as `compare_runs`.
    """
    config = sweep.config
    rows = tuple(row for row in config.rows if any(run.row.name == row.name for run in runs))
    if scored.suite != config.suite:  # what the paper prints is of short videos
        rows = tuple(row.model_copy(update={"paper": None}) for row in rows)
    part = config.model_copy(update={"rows": rows})
    names = [row.name for row in rows]
    by_row = sorted(runs, key=lambda run: names.index(run.row.name))
    settings = BootstrapSettings(resampling="paired-runs" if len(runs) > len(rows) else "paper")
    opened = [open_scored_run(videos_of(run, sweep.out, config, scored)) for run in by_row]
    record, folder = compare_runs(opened, settings=settings), table_of(sweep.out, config, scored)
    labels = dict(zip(record.models(), (row.label for row in rows), strict=True))
    pairs = pairs_of_total(opened, first=record, settings=settings)
    write_pairs(folder, pairs, labels)
    write_comparison(folder, record)
    costs = list(_costs(sweep, runs))
    write_text(folder / "sweep.md", sweep_page(part, scored, record, costs, pair_table(pairs, labels)))
    return record


def write_readings(sweep: OpenSweep) -> None:
    """Write `readings.csv` and `readings.md` of those runs that are read; nothing where the first row has none."""
    found: dict[str, list[Values]] = {}
    for run in sweep.runs():
        if (sweep.out / run.folder / EXPORT).is_dir() and (readings := readings_of(sweep, run)):
            found.setdefault(run.row.label, []).append(values_of(readings))
    read = {label: runs for label, runs in found.items() if any(runs)}
    if len(read) > 1 and sweep.config.rows[0].label in read:
        reading_table(reading_rows(read)).write(table_of(sweep.out, sweep.config, sweep.config.suites[0]), READINGS)


def _costs(sweep: OpenSweep, runs: Sequence[RowRun]) -> Iterator[RowCost]:
    for row in sweep.config.rows:
        own = [run for run in runs if run.row.name == row.name]
        stages = [[training.folder for training in sweep.trainings(run)] for run in own]
        planned = sweep.config.more_seeds.get(row.name, sweep.config.seeds)
        minutes = [sum(map(trained_seconds, folders)) / 60 for folders in stages]
        worked = [_core_minutes(folders) for folders in stages]
        known = [one for one in worked if one is not None]
        yield RowCost(
            row.label, len(own), planned, fmean(minutes) if own else None,
            fmean(known) if own and len(known) == len(own) else None,
        )  # fmt: skip


def _core_minutes(folders: Sequence[Path]) -> float | None:
    """Minutes of cores of a run's stages; None where one's log does not have them."""
    seconds = [processor_seconds(folder) for folder in folders]
    known = [one for one in seconds if one is not None]
    return sum(known) / 60 if len(known) == len(seconds) else None
