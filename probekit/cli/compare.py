"""`probekit compare`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from probekit.choices import IntervalKind, Resampling, Weighting
from probekit.cli.errors import reporting_errors
from probekit.cli.options import Mismatch, Replicates, RunsOrNone, Seed, WeightingOption, finite
from probekit.cli.terminal import say
from probekit.errors import UserError

if TYPE_CHECKING:
    from probekit.reporting.comparison_record import ComparisonRecord
    from probekit.statistics.bootstrap_settings import BootstrapSettings
    from probekit.workflows.compare import ScoredRun


def compare(
    runs: RunsOrNone = None,
    *,
    out: Annotated[Path, typer.Option(help="Folder for comparison.json, .csv, .md, .tex, differences.png and .svg.")],
    baseline: Annotated[
        Path | None, typer.Option(help="Which run is the baseline, by default the first; of choices, which model.")
    ] = None,
    preferences: Annotated[
        list[Path] | None,
        typer.Option(help="File of choices that `probekit watch` kept, in place of runs; repeatable."),
    ] = None,
    method: Annotated[Resampling, typer.Option(help="What is resampled, and how.")] = "paper",
    interval: Annotated[IntervalKind, typer.Option(help="Kind of interval.")] = "percentile",
    weighting: WeightingOption = "prompt-mean",
    pooled: Annotated[bool, typer.Option("--pooled", help="Short for --weighting video-mean.")] = False,
    margin: Annotated[
        float | None, typer.Option(help="Equivalence test: differences within ± percent.", callback=finite)
    ] = None,
    repeat: Annotated[list[Path] | None, typer.Option(help="Another run of the baseline, for the noise floor.")] = None,
    pairs: Annotated[bool, typer.Option("--pairs", help="Also every pair of models on Total, Holm-corrected.")] = False,
    seed: Seed = 0,
    replicates: Replicates = 10_000,
    allow_mismatch: Mismatch = False,
) -> None:
    """Compare scored runs with a baseline: paired bootstrap, permutation tests, effect sizes, a forest plot."""
    with reporting_errors():
        if preferences:
            _compare_choices(runs, preferences, out, baseline, seed, replicates)
            return
        if not runs:
            raise UserError("There is nothing to compare.", "Give run folders, or --preferences FILE.")
        from probekit.reporting.comparison_io import write_comparison
        from probekit.reporting.comparison_tables import comparison_table
        from probekit.reporting.figures import forest_plot, save_figure
        from probekit.workflows.compare import baseline_first, compare_runs, open_scored_run
        from probekit.workflows.significance import write_significance

        settings = _settings(method, interval, _weighting(weighting, pooled=pooled), replicates)
        if settings.of_runs and (margin is not None or repeat):
            raise UserError(
                f"--margin and --repeat are about single runs, and --method {method} compares models by all of theirs.",
                "Leave them out, or use --method joint for two runs.",
            )
        opened = [open_scored_run(run) for run in baseline_first(runs, baseline)]
        record = compare_runs(opened, seed=seed, settings=settings, allow_mismatch=allow_mismatch)
        paths = [*write_comparison(out, record)]
        figure, pictures = forest_plot(record), [out / "differences.png", out / "differences.svg"]
        for picture in pictures:
            save_figure(figure, picture)
        if not settings.of_runs:  # runs of one model have no prompts' differences of their own
            repeats = [open_scored_run(run) for run in repeat or []]
            write_significance(opened, out, seed=seed, margin=margin, repeats=repeats, weighting=settings.weighting)
        if pairs:
            _write_pairs(out, opened, record, settings, allow_mismatch=allow_mismatch)
        from probekit.cli.tables import table_console

        table_console().print(comparison_table(record).rich())
        say(f"wrote {', '.join(map(str, (*paths, *pictures)))}")


def _write_pairs(
    out: Path,
    opened: list["ScoredRun"],
    record: "ComparisonRecord",
    settings: "BootstrapSettings",
    *,
    allow_mismatch: bool,
) -> None:
    """Every pair beside the comparison with the first."""
    from probekit.workflows.pairs import pairs_of_total, write_pairs

    seed = record.settings.seed
    found = pairs_of_total(opened, first=record, seed=seed, settings=settings, allow_mismatch=allow_mismatch)
    write_pairs(out, found)


def _settings(method: Resampling, interval: IntervalKind, weighting: Weighting, replicates: int) -> "BootstrapSettings":
    """Settings of the bootstrap. Raises UserError where they contradict one another."""
    from probekit.statistics.bootstrap_settings import BootstrapSettings

    settings = BootstrapSettings(resampling=method, interval=interval, weighting=weighting, replicates=replicates)
    settings.refuse_contradictions()
    return settings


def _compare_choices(
    runs: list[Path] | None, files: list[Path], out: Path, baseline: Path | None, seed: int, replicates: int
) -> None:
    """Compare models by choices between their videos. Raises UserError where runs are given too."""
    from probekit.cli.tables import table_console
    from probekit.workflows.preferences import compare_choices

    if runs:
        raise UserError("--preferences compares by choices, and run folders are compared by scores.", "Leave out one.")
    name = None if baseline is None else str(baseline)
    table_console().print(compare_choices(files, out, baseline=name, seed=seed, replicates=replicates).rich())
    say(f"wrote {out}/preferences.csv, .md, .tex")


def _weighting(asked: Weighting, *, pooled: bool) -> Weighting:
    """The weighting that two options name. Raises UserError where they name two."""
    if pooled and asked == "frame-weighted":
        raise UserError("--pooled means --weighting video-mean.", "Leave out one of the two.")
    return "video-mean" if pooled else asked
