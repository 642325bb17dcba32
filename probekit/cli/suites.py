"""`probekit suites`."""

from typing import Annotated

import typer

from probekit.cli.errors import reporting_errors
from probekit.cli.options import SuiteOptions
from probekit.cli.terminal import say


def suites(
    name: Annotated[str | None, typer.Argument(help="Suite to describe; by default only names are listed.")] = None,
    suite_option: SuiteOptions = None,
) -> None:
    """Print what a suite plans: prompts, videos, lengths and, for VBench, the videos of each dimension."""
    with reporting_errors():
        from probekit.suites.registry import load_suite, suite_names
        from probekit.suites.summary import plan_lines

        if name is None:
            for known in suite_names():
                say(known)
            say("custom (`probekit import` of a folder or a CSV table)")
            return
        for line in plan_lines(load_suite(name, suite_option or ())):
            say(line)
