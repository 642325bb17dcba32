"""`probekit total`."""

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.errors import reporting_errors
from probekit.cli.options import WeightingOption
from probekit.cli.terminal import say


def total(
    runs: Annotated[list[Path], typer.Argument(help="Scored run folders, or folders of VBench's own result files.")],
    weighting: WeightingOption = "prompt-mean",
    out: Annotated[Path | None, typer.Option(help="Folder for <run>.csv and <run>.md.")] = None,
) -> None:
    """Dimension means of single runs with n of N videos; Quality, Semantic, Total where no dimension is missing."""
    with reporting_errors():
        from probekit.reporting.total_table import total_table
        from probekit.workflows.compare import open_scored_run
        from probekit.workflows.total import total_of_run

        for run in runs:
            table = total_table(total_of_run(open_scored_run(run), weighting))
            say(f"{run}:\n{table.markdown()}", nl=False)
            if out is not None:
                say(f"wrote {', '.join(map(str, table.write(out, run.resolve().name)))}")
