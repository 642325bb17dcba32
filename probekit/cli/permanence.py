"""`probekit permanence`."""

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.errors import reporting_errors
from probekit.cli.options import Replicates, Seed
from probekit.cli.terminal import say


def permanence(
    runs: Annotated[
        list[Path],
        typer.Argument(
            help="Run folders of sprite videos: all training runs of one model, or of a baseline, then a method."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for permanence.csv, .md and .tex.")],
    seed: Seed = 0,
    replicates: Replicates = 10_000,
) -> None:
    """What lasts in sprite videos: colour, shape, size and tone after an occlusion and in view, with intervals."""
    with reporting_errors():
        from probekit.cli.tables import table_console
        from probekit.workflows.permanence import permanence as judge

        table_console().print(judge(runs, out, seed=seed, replicates=replicates).rich())
        say(f"wrote {out}/permanence.csv, .md, .tex")
