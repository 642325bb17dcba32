"""`probekit demo`."""

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.errors import reporting_errors
from probekit.cli.tables import table_console


def demo(
    out: Annotated[Path, typer.Option(help="Folder for videos, scores and the report.")] = Path("demo"),
    prompts: Annotated[int, typer.Option(help="Held-out prompts.", min=1)] = 24,
    samples: Annotated[int, typer.Option(help="Videos of each prompt.", min=1)] = 2,
    smoke: Annotated[bool, typer.Option("--smoke", help="The same chain in seconds: 3 prompts x 1, 4 steps.")] = False,
) -> None:
    """Sample sprite-base and sprite-large, score both, compare them and write the report page."""
    with reporting_errors():
        from probekit.diffusion.sampler_settings import SamplerSettings
        from probekit.evaluation.suites import load_suite
        from probekit.reporting.comparison_tables import to_rich
        from probekit.workflows.demo import run_demo

        suite = load_suite("sprite-5s").reduced(*((3, 1) if smoke else (prompts, samples)))
        result = run_demo(suite, out, SamplerSettings(steps=4) if smoke else SamplerSettings())
        table_console().print(to_rich(result.record))
        typer.echo(f"report: {result.page.resolve()}")
