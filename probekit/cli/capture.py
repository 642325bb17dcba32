"""`probekit capture`."""

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.errors import reporting_errors
from probekit.cli.options import ShardOption, parse_shard
from probekit.cli.terminal import say
from probekit.devices import usable_device
from probekit.rollout.sampling_config import SamplingConfig
from probekit.visible_gpus import take_own_gpu


def capture(
    model: Annotated[str, typer.Argument(help="Causal generator: folder, shipped name or Hub id.")],
    out: Annotated[Path, typer.Option(help="Folder of the store; what it has is kept.")],
    suite: Annotated[str, typer.Option(help="Suite of prompts.")] = "sprite-5s",
    prompts: Annotated[int | None, typer.Option(help="Only the first N prompts.", min=1)] = None,
    samples: Annotated[int | None, typer.Option(help="Only the first N videos of each prompt.", min=1)] = None,
    site: Annotated[
        list[str] | None, typer.Option(help="Site, e.g. blocks.3@step1, blocks.3.attn1@commit; or all blocks: all.")
    ] = None,
    keep: Annotated[str, typer.Option(help="all, mean, tokens:N or project:N.")] = "all",
    untrained: Annotated[bool, typer.Option(help="Also an untrained network that sees the same passes.")] = True,
    videos: Annotated[Path | None, typer.Option(help="Run folder whose videos are read, in place of rollouts.")] = None,
    invert: Annotated[
        int, typer.Option(help="Euler steps in which those videos are inverted; 0 noises them.", min=0, max=1000)
    ] = 0,
    seed: Annotated[int, typer.Option(help="Run seed of the noise.", min=0)] = 0,
    shard: ShardOption = None,
    device: Annotated[str, typer.Option(help="Device of the networks.")] = "cpu",
    bf16: Annotated[bool, typer.Option(help="Run the networks in bfloat16.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Print bytes and time, and do nothing.")] = False,
) -> None:
    """Keep the hidden states of a streaming generator, for probes to read; goes on where it was interrupted."""
    with reporting_errors():
        share = parse_shard(shard)
        take_own_gpu()
        from probekit.suites.registry import load_suite
        from probekit.workflows.capture import capture_plan, capture_settings, capture_states

        usable_device(device)
        config = SamplingConfig(seed=seed, device=device, precision="bfloat16" if bf16 else "float32")
        planned = load_suite(suite).reduced(prompts, samples)
        settings = capture_settings(model, site, reduction=keep, untrained=untrained, inversion_steps=invert)
        settings.check(given=videos is not None)
        if plan:
            for line in capture_plan(model, planned, settings, config):
                say(line)
            return
        store = capture_states(model, planned, out, settings, config=config, shard=share, videos=videos)
        say(f"states in {store}")
