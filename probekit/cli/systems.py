"""`probekit systems`."""

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.errors import reporting_errors
from probekit.cli.options import Mismatch, WeightingOption
from probekit.cli.terminal import say


def systems(
    runs: Annotated[list[Path], typer.Argument(help="Scored run folders, one per system.")],
    out: Annotated[Path, typer.Option(help="Folder for systems.csv, .md and .tex.")],
    weighting: WeightingOption = "prompt-mean",
    paper: Annotated[bool, typer.Option("--paper", help="Add the systems of the paper's table 5, as printed.")] = False,
    allow_mismatch: Mismatch = False,
) -> None:
    """Systems side by side: parameters, resolution, frames per second, latency, Quality, Semantic, Total."""
    with reporting_errors():
        from probekit.workflows.compare import open_scored_run
        from probekit.workflows.systems import system_table

        opened = [open_scored_run(run) for run in runs]
        table = system_table(opened, weighting, allow_mismatch=allow_mismatch, with_paper=paper)
        paths = table.write(out, "systems", latex=True)
        say(table.markdown())
        say(f"wrote {', '.join(map(str, paths))}")
