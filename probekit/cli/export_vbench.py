"""`probekit export-vbench`."""

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.errors import reporting_errors
from probekit.cli.terminal import say


def export_vbench(
    run: Annotated[Path, typer.Argument(help="Run folder of the suite vbench.")],
    out: Annotated[Path, typer.Option(help="New folder for the links.")],
    by_dimension: Annotated[
        bool, typer.Option("--by-dimension", help="One folder per dimension, so that no text is in a folder twice.")
    ] = False,
) -> None:
    """Link a run's videos as `<prompt>-<i>.mp4`, as VBench looks for them; exits with 1 if some cannot be exported."""
    with reporting_errors():
        from probekit.workflows.export_vbench import export_vbench

        done = export_vbench(run, out, by_dimension=by_dimension)
        for collision in done.collisions:
            say(f"note: {collision}")
        for path, problem in done.problems:
            say(f"error: {path}: {problem}", err=True)
        say(f"{done.n_videos} videos in {out}, {done.n_copied} files copied, keys in {done.record}")
        if done.problems:
            raise typer.Exit(1)
