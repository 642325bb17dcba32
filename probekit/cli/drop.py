"""`probekit drop`."""

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.errors import reporting_errors
from probekit.cli.terminal import say


def drop(
    short: Annotated[Path, typer.Argument(help="Scored run of the short horizon.")],
    long: Annotated[Path, typer.Argument(help="Scored run of the long horizon of the same model.")],
    out: Annotated[Path, typer.Option(help="Folder for drop.csv and drop.md.")],
    against: Annotated[
        tuple[Path, Path] | None, typer.Option(help="Short and long run of a method to compare with this baseline.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the resampling.", min=0)] = 0,
) -> None:
    """What a model loses from the short to the long horizon, and whether another one loses less."""
    with reporting_errors():
        from probekit.reporting.drop_table import drop_table
        from probekit.workflows.drop import drop_of_runs

        pairs = [(short, long), *([against] if against else [])]
        table = drop_table(drop_of_runs(pairs, seed=seed))
        table.write(out, "drop")
        say(table.markdown())
