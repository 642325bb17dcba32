"""`probekit manifest check`."""

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.errors import reporting_errors

app = typer.Typer(no_args_is_help=True, help="The list of a run folder's videos.")


@app.callback()
def describe() -> None:
    """Work on the list of a run folder's videos."""


@app.command()
def check(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    suite: Annotated[str | None, typer.Option(help="Also require every video of this suite, and no other.")] = None,
) -> None:
    """List missing, extra, truncated, empty and changed videos; exits with 1 if there are any."""
    with reporting_errors():
        from probekit.evaluation.manifest import check_video_set, load_video_set
        from probekit.evaluation.suites import load_suite

        planned = None if suite is None else load_suite(suite).keys()
        problems = check_video_set(load_video_set(run), planned)
        for path, problem in problems:
            typer.echo(f"{path}: {problem}")
        if problems:
            raise typer.Exit(1)
        typer.echo("all videos are as the manifest says")
