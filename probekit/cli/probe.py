"""`probekit probe`."""

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.errors import reporting_errors
from probekit.cli.terminal import say
from probekit.probing.probe_settings import DecoderKind, ProbeSettings


def probe(
    baseline: Annotated[str, typer.Argument(help="Streaming model, folder or shipped name; or a store of its states.")],
    out: Annotated[Path, typer.Option(help="Folder for states, tables and figures; finished parts are kept.")],
    method: Annotated[str | None, typer.Argument(help="The model or store to compare it with.")] = None,
    suite: Annotated[str, typer.Option(help="Suite of prompts.")] = "sprite-5s",
    prompts: Annotated[int | None, typer.Option(help="Only the first N prompts.", min=1)] = None,
    samples: Annotated[int | None, typer.Option(help="Only the first N videos of each prompt.", min=1)] = 2,
    target: Annotated[
        str,
        typer.Option(
            help="What is read: frame, latent, features:MODEL@DEPTH or sprite-position, -velocity, -color, -shape, "
            "-size, -next-turn."
        ),
    ] = "frame",
    decoder: Annotated[DecoderKind, typer.Option(help="One MLP per position, or one per chunk.")] = "chunk",
    horizon: Annotated[
        list[int] | None, typer.Option(help="Chunks ahead, 0 is the present; repeatable.", min=0)
    ] = None,
    site: Annotated[list[str] | None, typer.Option(help="Site, e.g. blocks.3@step1, or all blocks: all.")] = None,
    videos: Annotated[Path | None, typer.Option(help="Run folder whose videos are read, in place of rollouts.")] = None,
    steps: Annotated[int | None, typer.Option(help="Steps of each decoder at most.", min=1)] = None,
    seed: Annotated[int, typer.Option(help="Seed of noise and split.", min=0)] = 0,
    perceptual: Annotated[bool, typer.Option(help="Also SSIM, and LPIPS on a random backbone; slow.")] = True,
) -> None:
    """Read the future from one or two generators' states, beside controls that say what the answer means."""
    with reporting_errors():
        from probekit.probing.targets import target_named
        from probekit.suites.registry import load_suite

        chosen = target_named(target)
        planned = load_suite(suite).reduced(prompts, samples)
        settings = ProbeSettings(decoder=decoder, perceptual=perceptual, seed=seed)
        if steps:
            settings = settings._replace(budget=settings.budget._replace(steps=steps))
        if horizon:
            settings = settings._replace(horizons=tuple(sorted(set(horizon))))
        from probekit.reporting.probe_table import conclusion_table, probe_table
        from probekit.workflows.capture import capture_settings
        from probekit.workflows.probe import MAIN_METRIC, probe_arms

        captured = capture_settings(baseline, site) if site else None
        result = probe_arms(
            baseline,
            method,
            planned,
            out,
            seed=seed,
            settings=settings,
            target=chosen,
            captured=captured,
            videos=videos,
        )
        metric = MAIN_METRIC[chosen.kind]
        say(probe_table(result.contrasts, metric).markdown())
        say(conclusion_table(result.contrasts, metric).markdown())
        say(f"tables and figures in {result.folder}")
