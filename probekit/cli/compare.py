"""`probekit compare`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.errors import reporting_errors
from probekit.cli.options import Mismatch, Replicates, Runs, Seed
from probekit.cli.terminal import say
from probekit.errors import UserError


class ResamplingName(StrEnum):
    """How prompts are resampled."""

    paper = "paper"
    joint = "joint"
    two_level = "two-level"
    runs = "runs"


class IntervalName(StrEnum):
    """Kinds of intervals."""

    percentile = "percentile"
    basic = "basic"
    bca = "bca"
    studentised = "studentised"
    t = "t"


class WeightingName(StrEnum):
    """How videos are weighed into a dimension's mean: prompts alike, videos alike, or as the official scores."""

    prompt_mean = "prompt-mean"
    video_mean = "video-mean"
    frame_weighted = "frame-weighted"


def compare(
    runs: Runs,
    out: Annotated[Path, typer.Option(help="Folder for comparison.json, .csv, .md, .tex, differences.png and .svg.")],
    baseline: Annotated[Path | None, typer.Option(help="Which run is the baseline; by default the first.")] = None,
    method: Annotated[ResamplingName, typer.Option(help="What is resampled, and how.")] = ResamplingName.paper,
    interval: Annotated[IntervalName, typer.Option(help="Kind of interval.")] = IntervalName.percentile,
    weighting: Annotated[
        WeightingName, typer.Option(help="How videos are weighed into a dimension's mean.")
    ] = WeightingName.prompt_mean,
    pooled: Annotated[bool, typer.Option("--pooled", help="Short for --weighting video-mean.")] = False,
    margin: Annotated[float | None, typer.Option(help="Equivalence test: differences within ± percent.")] = None,
    repeat: Annotated[list[Path] | None, typer.Option(help="Another run of the baseline, for the noise floor.")] = None,
    seed: Seed = 0,
    replicates: Replicates = 10_000,
    allow_mismatch: Mismatch = False,
) -> None:
    """Compare scored runs with a baseline: paired bootstrap, permutation tests, effect sizes, a forest plot."""
    with reporting_errors():
        from probekit.reporting.comparison_io import write_comparison
        from probekit.reporting.comparison_tables import comparison_table
        from probekit.reporting.figures import forest_plot, save_figure
        from probekit.statistics.bootstrap_settings import BootstrapSettings
        from probekit.workflows.compare import baseline_first, compare_runs, open_scored_run
        from probekit.workflows.significance import write_significance

        settings = BootstrapSettings(
            resampling=method.value,
            interval=interval.value,
            weighting=_weighting(weighting, pooled=pooled).value,
            replicates=replicates,
        )
        settings.refuse_contradictions()
        if method is ResamplingName.runs and (margin is not None or repeat):
            raise UserError(
                "--margin and --repeat are about single runs, and --method runs compares models by all of theirs.",
                "Leave them out, or use --method joint for two runs.",
            )
        opened = [open_scored_run(run) for run in baseline_first(runs, baseline)]
        record = compare_runs(opened, seed=seed, settings=settings, allow_mismatch=allow_mismatch)
        paths = [*write_comparison(out, record)]
        figure = forest_plot(record)
        for name in ("differences.png", "differences.svg"):
            save_figure(figure, out / name)
        if method is not ResamplingName.runs:  # runs of one model have no prompts' differences of their own
            repeats = [open_scored_run(run) for run in repeat or []]
            write_significance(opened, out, seed=seed, margin=margin, repeats=repeats, weighting=settings.weighting)
        from probekit.cli.tables import table_console

        table_console().print(comparison_table(record).rich())
        written = (*paths, *(out / name for name in ("differences.png", "differences.svg")))
        say(f"wrote {', '.join(map(str, written))}")


def _weighting(asked: WeightingName, *, pooled: bool) -> WeightingName:
    """The weighting that two options name. Raises UserError where they name two."""
    if pooled and asked is WeightingName.frame_weighted:
        raise UserError("--pooled means --weighting video-mean.", "Leave out one of the two.")
    return WeightingName.video_mean if pooled else asked
