"""`trainer demo`."""

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.errors import reporting_errors
from probekit.cli.terminal import say


def demo(
    out: Annotated[Path, typer.Option(help="Folder for runs, tables and the page.")] = Path("demo"),
    updates: Annotated[int, typer.Option(help="Generator updates of the short run.", min=1)] = 2,
    smoke: Annotated[bool, typer.Option("--smoke", help="The same chain at the smallest size.")] = False,
) -> None:
    """Train both arms briefly from the shipped student, then sample, score, compare and probe the shipped arms."""
    with reporting_errors():
        from probekit.cli.demo import demo_plan
        from probekit.cli.tables import table_console
        from probekit.reporting.comparison_tables import comparison_table
        from trainer.demo import run_training_demo

        plan = demo_plan(smoke=smoke)
        result = run_training_demo(plan, out, 1 if smoke else updates)
        for record in (result.short, result.long):
            table_console().print(comparison_table(record).rich())
        say(f"page: {result.page.resolve()}")
