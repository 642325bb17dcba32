"""`probekit sample`."""

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.errors import reporting_errors
from probekit.cli.options import ShardOption, parse_shard
from probekit.diffusion.sampler_settings import SamplerSettings

_DEFAULTS = SamplerSettings()


def sample(
    model: Annotated[str, typer.Option(help="Model folder in diffusers layout, or sprite-base, sprite-large.")],
    out: Annotated[Path, typer.Option(help="Run folder for the videos; finished ones are kept.")],
    suite: Annotated[str, typer.Option(help="Suite of prompts.")] = "sprite-5s",
    prompts: Annotated[int | None, typer.Option(help="Only the first N prompts.")] = None,
    samples: Annotated[int | None, typer.Option(help="Only the first N videos of each prompt.")] = None,
    steps: Annotated[int, typer.Option(help="Solver steps.")] = _DEFAULTS.steps,
    guidance: Annotated[float, typer.Option(help="Scale of classifier-free guidance.")] = _DEFAULTS.guidance,
    shift: Annotated[float, typer.Option(help="Timestep shift.")] = _DEFAULTS.shift,
    negative_prompt: Annotated[str, typer.Option(help="What guidance steers away from.")] = _DEFAULTS.negative_prompt,
    seed: Annotated[int, typer.Option(help="Run seed of the noise.", min=0)] = 0,
    batch_size: Annotated[int, typer.Option(help="Videos made together; does not change them.", min=1)] = 8,
    shard: ShardOption = None,
) -> None:
    """Sample a suite of prompts with a model into a run folder."""
    with reporting_errors():
        share = parse_shard(shard)
        from probekit.evaluation.suites import load_suite

        planned = load_suite(suite).reduced(prompts, samples)
        from probekit.workflows.sampling import sample_suite

        settings = SamplerSettings(steps=steps, guidance=guidance, shift=shift, negative_prompt=negative_prompt)
        rows = sample_suite(model, planned, out, settings, seed=seed, shard=share, batch_size=batch_size)
        typer.echo(f"{len(rows)} videos in {out}")
