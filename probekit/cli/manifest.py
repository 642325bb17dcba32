"""`probekit manifest check`."""

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.errors import reporting_errors
from probekit.cli.options import AllowMissing, SuiteOptions
from probekit.cli.terminal import say

app = typer.Typer(no_args_is_help=True, help="The list of a run folder's videos.")


@app.callback()
def describe() -> None:
    """Work on the list of a run folder's videos."""


@app.command()
def check(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    suite: Annotated[str | None, typer.Option(help="Also require every video of this suite, and no other.")] = None,
    suite_option: SuiteOptions = None,
    allow_missing: AllowMissing = False,
) -> None:
    """List missing, extra, unreadable, wrong and case-colliding videos; exits with 1 if there are any."""
    with reporting_errors():
        from probekit.evaluation.scoring.absent_videos import absent_videos, read_absent, write_absent
        from probekit.run_folder.manifest import load_video_set
        from probekit.run_folder.video_set_check import inspect_video_set
        from probekit.suites.registry import load_suite

        video_set = load_video_set(run)
        known = read_absent(run)
        reasons = {} if known is None else known.reasons(video_set.protocol.prompts.suite)
        if suite is not None:
            planned = set(load_suite(suite, suite_option or ()).keys())
        else:
            planned = {row.key() for row in video_set.rows} | set(reasons)
        found = inspect_video_set(video_set, planned)
        for path, problem in (*found.absent.values(), *found.wrong):
            say(f"{path}: {problem}")
        for path, note in found.notes:
            say(f"note: {path}: {note}")
        if found.wrong or (found.absent and not allow_missing):
            raise typer.Exit(1)
        absent = absent_videos(found.planned, {k: reasons.get(k, problem) for k, (_, problem) in found.absent.items()})
        write_absent(run, absent)
        missing = f"; the others are missing and count as unscored, coverage {absent.coverage()}"
        say(f"all videos are as the manifest says{missing if found.absent else ''}")
