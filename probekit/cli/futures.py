"""`probekit futures`."""

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.errors import reporting_errors
from probekit.cli.terminal import say


def futures(
    baseline: Annotated[str, typer.Argument(help="Streaming model, folder or shipped name.")],
    method: Annotated[str, typer.Argument(help="The model to compare it with.")],
    out: Annotated[Path, typer.Option(help="Folder for states, tables and figures; finished states are kept.")],
    suite: Annotated[str, typer.Option(help="Suite of prompts.")] = "sprite-5s",
    prompts: Annotated[int | None, typer.Option(help="Only the first N prompts.", min=1)] = None,
    samples: Annotated[int | None, typer.Option(help="Videos of each prompt that fit the decoder.", min=1)] = 2,
    count: Annotated[int, typer.Option(help="Futures of each state.", min=2)] = 32,
    states: Annotated[int | None, typer.Option(help="Only the first N held-out prompts.", min=1)] = None,
    chunk: Annotated[int, typer.Option(help="Chunk at whose end the futures part, from 0.", min=0)] = 2,
    horizon: Annotated[list[int] | None, typer.Option(help="Chunks ahead, from 1; repeatable.", min=1)] = None,
    site: Annotated[str | None, typer.Option(help="Site that is read, e.g. blocks.3@step1.")] = None,
    steps: Annotated[int | None, typer.Option(help="Steps of the decoder at most.", min=1)] = None,
    published: Annotated[
        Path | None, typer.Option(help="Folder of published pictures (current, r1 to r4, rollout_avg, readout).")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of noise and split.", min=0)] = 0,
) -> None:
    """Hold what is read from a state against the futures that it has: their mean, their spread, the world's own."""
    with reporting_errors():
        from probekit.probing.future_experiment import FutureSettings
        from probekit.probing.probe_settings import ProbeSettings
        from probekit.reporting.future_table import future_table
        from probekit.suites.registry import load_suite
        from probekit.workflows.capture import capture_settings
        from probekit.workflows.futures import compare_futures

        planned = load_suite(suite).reduced(prompts, samples)
        probes = ProbeSettings(perceptual=False, seed=seed)
        if steps:
            probes = probes._replace(budget=probes.budget._replace(steps=steps))
        if horizon:
            probes = probes._replace(horizons=tuple(sorted(set(horizon))))
        captured = capture_settings(baseline, [site]) if site else None
        settings = FutureSettings(chunk, count, states, seed, probes)
        result = compare_futures(
            baseline, method, planned, out, settings=settings, captured=captured, published=published
        )
        say(future_table(result.tests).markdown())
        say(f"tables and figures in {result.folder}")
