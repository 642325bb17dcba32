"""`probekit gradients`."""

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.errors import reporting_errors
from probekit.cli.terminal import say


def gradients(
    store: Annotated[Path, typer.Argument(help="Folder that `trainer gradients` wrote.")],
    out: Annotated[Path, typer.Option(help="Folder for tables and the figure.")],
) -> None:
    """Say whether two losses of a training pull one way: cosines of their gradients by block and step."""
    with reporting_errors():
        from probekit.reporting.gradient_table import gradient_table
        from probekit.workflows.gradients import compare_gradients

        found = compare_gradients(store, out)
        say(gradient_table(found).markdown())
        say(f"tables and figure in {out}")
