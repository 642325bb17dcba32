"""`probekit static-filter`."""

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.errors import reporting_errors
from probekit.cli.options import fast_settings
from probekit.cli.terminal import say


def static_filter(
    run: Annotated[Path, typer.Argument(help="Run folder of the suite vbench, best with flickering_samples=25.")],
    out: Annotated[Path, typer.Option(help="Run folder that lists what is kept; the videos stay where they are.")],
    device: Annotated[str, typer.Option(help="Device: auto, cpu, cuda or cuda:1.")] = "auto",
    unverified_weights: Annotated[
        bool, typer.Option("--unverified-weights", help="Take weights of RAFT that are not the published ones.")
    ] = False,
) -> None:
    """Keep the first 5 static videos of each prompt of temporal flickering, as VBench's leaderboard does."""
    with reporting_errors():
        settings = fast_settings(device, unverified_weights=unverified_weights)
        from probekit.workflows.static_filter import filter_static_run

        done = filter_static_run(run, out, settings)
        for key, reason in done.lacking.items():
            say(f"lacking: {key.prompt_id}: {reason}")
        for path, problem in done.problems:
            say(f"error: {path}: {problem}", err=True)
        say(f"{len(done.rows)} videos in {out}")
        if done.problems:
            raise typer.Exit(1)
