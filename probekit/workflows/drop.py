"""The drop from a short to a long horizon, of one model or of two, as tables."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from probekit.atomic_files import write_text
from probekit.errors import UserError
from probekit.run_folder.protocol_card import mismatches
from probekit.statistics.difference_estimate import BootstrapComparison, DifferenceEstimate
from probekit.statistics.horizon_drop import HorizonScores, drop_difference, horizon_drop
from probekit.statistics.prompt_scores import clip_scores, prompt_means, read_table
from probekit.suites.registry import constants_of
from probekit.workflows.compare import ScoredRun, open_scored_run

_HORIZON_FIELDS = ("prompts.file_hash", "prompts.suite", "prompts.n_prompts", "prompts.samples", "generation.frames")


class DropRow(NamedTuple):
    """One drop, or one difference of drops (then `short` and `long` are None), as it stands in the tables."""

    what: str
    name: str
    short: float | None
    long: float | None
    drop: float | None
    standard_error: float | None
    low: float | None
    high: float | None
    star: bool
    n_prompts: int
    unit: str


class DropReport(NamedTuple):
    """Drops by model, and their difference where there are two models."""

    drops: Mapping[str, BootstrapComparison]
    difference: BootstrapComparison | None

    def rows(self) -> list[DropRow]:
        """One row an estimate: each model's drops, then their difference."""
        named: list[tuple[str, BootstrapComparison]] = list(self.drops.items())
        found = [_row(f"drop of {model}", e, e.a, e.b) for model, drop in named for e in drop.estimates()]
        if self.difference is not None:
            baseline, method = self.drops
            name = f"drop of {method} - drop of {baseline}"
            found += [_row(name, e, None, None) for e in self.difference.estimates()]
        return found


def _row(what: str, estimate: DifferenceEstimate, short: float | None, long: float | None) -> DropRow:
    interval = (estimate.standard_error, estimate.low, estimate.high, estimate.star)
    return DropRow(what, estimate.name, short, long, estimate.difference, *interval, estimate.n_prompts, estimate.unit)


def _check_same_model(short: ScoredRun, long: ScoredRun) -> None:
    ours, theirs = short.protocol.generation.checkpoint_hash, long.protocol.generation.checkpoint_hash
    if short.method.model != long.method.model or ours != theirs:
        raise UserError(
            f"{short.root} and {long.root} hold different models: {short.method.model} and {long.method.model}.",
            "give both horizons of one checkpoint.",
        )
    for mismatch in mismatches(short.protocol, long.protocol):
        if mismatch.field not in _HORIZON_FIELDS:
            raise UserError(
                f"The protocols of {short.root} and {long.root} differ in {mismatch.field}: {mismatch.a!r} and "
                f"{mismatch.b!r}.",
                "make both horizons under one protocol.",
            )


def _prompt_scores(run: ScoredRun) -> dict[str, dict[str, float | None]]:
    by_dimension = clip_scores(read_table(run.table), run.method)
    return {dimension: prompt_means(scores) for dimension, scores in by_dimension.items()}


def _horizons(short: ScoredRun, long: ScoredRun) -> HorizonScores:
    _check_same_model(short, long)
    return HorizonScores(_prompt_scores(short), _prompt_scores(long))


def drop_of_runs(runs: Sequence[tuple[Path, Path]], *, seed: int = 0) -> DropReport:
    """Compare horizons of one model, or of a baseline and a method.

    Args:
        runs: (short, long) run folders with scores; the baseline first.
        seed: of the resampling.

    Raises:
        UserError: if a pair holds two models or protocols, or scores are missing.
    """
    opened = [(open_scored_run(short), open_scored_run(long)) for short, long in runs]
    constants = constants_of(opened[0][0].suite)
    scores = {short.method.model: _horizons(short, long) for short, long in opened}
    if len(scores) != len(opened):
        raise UserError("Both pairs of runs are of one model.", "give the runs of two models.")
    drops = {model: horizon_drop(found, constants, seed=seed) for model, found in scores.items()}
    if len(scores) == 1:
        return DropReport(drops, None)
    baseline, method = scores.values()
    return DropReport(drops, drop_difference(method, baseline, constants, seed=seed))


def write_drops(report: DropReport, out: Path) -> str:
    """Write `drop.csv` and `drop.md`; returns the Markdown."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(DropRow._fields)
    writer.writerows(report.rows())
    write_text(out / "drop.csv", text.getvalue())
    lines = ["| what | score | short | long | drop [95 % interval] | prompts |", "|---|---|---|---|---|---|"]
    lines += [_line(row) for row in report.rows()]
    page = "\n".join(lines) + "\n\nPaired bootstrap over prompts; * marks an interval without 0.\n"
    write_text(out / "drop.md", page)
    return page


def _line(row: DropRow) -> str:
    what, name, short, long, drop, _, low, high, star, prompts, _ = row
    known = low is not None and high is not None
    interval = f"[{low:+.4f}, {high:+.4f}]{' *' if star else ''}" if known else "no interval"
    scores = " | ".join("" if value is None else f"{value:.4f}" for value in (short, long))
    return f"| {what} | {name} | {scores} | {'' if drop is None else f'{drop:+.4f}'} {interval} | {prompts} |"
