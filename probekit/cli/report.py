"""`probekit report`."""

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.errors import reporting_errors
from probekit.cli.options import Mismatch, Replicates, Runs, Seed
from probekit.cli.terminal import say


def report(
    runs: Runs,
    out: Annotated[Path, typer.Option(help="Folder of the report.")],
    max_prompts: Annotated[
        int, typer.Option(help="Prompts whose videos are copied: the first, the best and the worst.", min=0)
    ] = 24,
    horizon: Annotated[
        Path | None, typer.Option(help="Folder of `probekit horizon`: curves beside the videos.")
    ] = None,
    probes: Annotated[Path | None, typer.Option(help="Folder of `probekit probe` or `probekit study`.")] = None,
    futures: Annotated[Path | None, typer.Option(help="Folder of `probekit futures`.")] = None,
    seed: Seed = 0,
    replicates: Replicates = 10_000,
    allow_mismatch: Mismatch = False,
) -> None:
    """Compare scored runs and write a page that opens from disk: the answer, videos in step, prompts, tables."""
    with reporting_errors():
        from probekit.reporting.html_report import PageSources
        from probekit.statistics.bootstrap_settings import BootstrapSettings
        from probekit.workflows.compare import compare_runs, open_scored_run
        from probekit.workflows.report import report_runs

        opened = [open_scored_run(run) for run in runs]
        record = compare_runs(
            opened, seed=seed, settings=BootstrapSettings(replicates=replicates), allow_mismatch=allow_mismatch
        )
        sources = PageSources(horizon, probes, futures)
        say(f"report: {report_runs(opened, record, out, max_prompts=max_prompts, sources=sources)}")
