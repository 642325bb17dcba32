"""`probekit probe`."""

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.errors import reporting_errors
from probekit.cli.terminal import say


def probe(
    baseline: Annotated[str, typer.Argument(help="Few-step streaming model: folder or shipped name.")],
    method: Annotated[str, typer.Argument(help="The model to compare it with.")],
    out: Annotated[Path, typer.Option(help="Folder for tables and figures.")],
    suite: Annotated[str, typer.Option(help="Suite of prompts.")] = "sprite-5s",
    prompts: Annotated[int | None, typer.Option(help="Only the first N prompts.")] = None,
    samples: Annotated[int | None, typer.Option(help="Only the first N videos of each prompt.")] = 2,
    seed: Annotated[int, typer.Option(help="Seed of noise, split and probes.", min=0)] = 0,
    perceptual: Annotated[bool, typer.Option(help="Also LPIPS on a random backbone, the slowest metric.")] = True,
) -> None:
    """Read future frames from two generators' states, beside an untrained network and a copy of the present."""
    with reporting_errors():
        from probekit.suites.registry import load_suite

        planned = load_suite(suite).reduced(prompts, samples)
        from probekit.evaluation.reference.metrics import MSE
        from probekit.reporting.probe_table import probe_table
        from probekit.workflows.probe import probe_arms

        result = probe_arms(baseline, method, planned, out, seed=seed, perceptual=perceptual)
        say(probe_table(result.contrasts, MSE.metric_id).markdown())
        say(f"tables and figures in {result.folder}")
