"""`probekit study`."""

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.errors import reporting_errors
from probekit.cli.terminal import say


def study(
    recipe: Annotated[Path, typer.Argument(help="YAML file of the study, see docs/probing.md.")],
    out: Annotated[
        Path, typer.Option(help="Folder for states, tables, figures and the page; finished parts are kept.")
    ],
) -> None:
    """Make every probing table and figure of two checkpoints from one recipe, and a page that shows them."""
    with reporting_errors():
        from probekit.workflows.probing_study import run_study
        from probekit.workflows.study_recipe import read_study

        say(f"page: {run_study(read_study(recipe), out).resolve()}")
