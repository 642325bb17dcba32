"""`probekit demo`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from probekit.cli.errors import reporting_errors
from probekit.cli.tables import table_console
from probekit.cli.terminal import say

if TYPE_CHECKING:
    from probekit.workflows.demo import DemoPlan


_PROMPTS: Final = 20
"""Of fewer, under six have a sprite that comes back, and the total would have no interval."""
_SAMPLES: Final = 2
_LONG_PROMPTS: Final = 6
"""The fewest that have an interval."""


def demo_plan(
    prompts: int = _PROMPTS, samples: int = _SAMPLES, long_prompts: int = _LONG_PROMPTS, *, smoke: bool = False
) -> "DemoPlan":
    """Sizes of a demo; by default those that take four minutes on two cores. Probes read one video per prompt."""
    if smoke:
        prompts, samples, long_prompts = 5, 1, 2
    from probekit.suites.registry import load_suite
    from probekit.workflows.demo import DemoPlan

    short = load_suite("sprite-5s")
    return DemoPlan(
        short.reduced(prompts, samples),
        load_suite("sprite-30s").reduced(long_prompts, 1),
        short.reduced(prompts, 1),
    )


def demo(
    out: Annotated[Path, typer.Option(help="Folder for videos, scores and the page.")] = Path("demo"),
    prompts: Annotated[int, typer.Option(help="Held-out prompts of the 5 s videos.", min=5)] = _PROMPTS,
    samples: Annotated[int, typer.Option(help="Videos per prompt.", min=1)] = _SAMPLES,
    long_prompts: Annotated[int, typer.Option(help="Held-out prompts of the 30 s videos.", min=1)] = _LONG_PROMPTS,
    smoke: Annotated[bool, typer.Option("--smoke", help="The same chain at the smallest size.")] = False,
) -> None:
    """Sample, score, compare and probe the two shipped arms, DMD and DMD with foresight."""
    with reporting_errors():
        from probekit.reporting.comparison_tables import comparison_table
        from probekit.workflows.demo import run_demo

        plan = demo_plan(prompts, samples, long_prompts, smoke=smoke)
        result = run_demo(plan, out)
        for record in (result.short, result.long):
            table_console().print(comparison_table(record).rich())
        say(f"page: {result.page.resolve()}")
