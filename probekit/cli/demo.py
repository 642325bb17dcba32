"""`probekit demo`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from probekit.cli.errors import reporting_errors
from probekit.cli.tables import table_console
from probekit.cli.terminal import say

if TYPE_CHECKING:
    from probekit.workflows.demo import DemoPlan


def demo_plan(prompts: int, samples: int, long_prompts: int, probe_prompts: int) -> "DemoPlan":
    """Sizes of a demo."""
    from probekit.suites.registry import load_suite
    from probekit.workflows.demo import DemoPlan

    short = load_suite("sprite-5s")
    return DemoPlan(
        short.reduced(prompts, samples),
        load_suite("sprite-30s").reduced(long_prompts, 1),
        short.reduced(probe_prompts, samples),
    )


def demo(
    out: Annotated[Path, typer.Option(help="Folder for videos, scores and the page.")] = Path("demo"),
    prompts: Annotated[int, typer.Option(help="Held-out prompts of the 5 s videos.", min=5)] = 24,
    samples: Annotated[int, typer.Option(help="Videos per prompt.", min=1)] = 2,
    long_prompts: Annotated[int, typer.Option(help="Held-out prompts of the 30 s videos.", min=1)] = 10,
    smoke: Annotated[bool, typer.Option("--smoke", help="The same chain at the smallest size.")] = False,
) -> None:
    """Sample, score, compare and probe the two shipped arms, DMD and DMD with foresight."""
    with reporting_errors():
        from probekit.reporting.comparison_tables import comparison_table
        from probekit.workflows.demo import run_demo

        plan = demo_plan(5, 1, 2, 5) if smoke else demo_plan(prompts, samples, long_prompts, prompts)
        result = run_demo(plan, out)
        for record in (result.short, result.long):
            table_console().print(comparison_table(record).rich())
        say(f"page: {result.page.resolve()}")
