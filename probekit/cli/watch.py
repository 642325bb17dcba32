"""`probekit watch`."""

from pathlib import Path
from typing import Annotated

import typer

from probekit.choices import Precision
from probekit.cli.errors import reporting_errors
from probekit.cli.terminal import say
from probekit.devices import usable_device
from probekit.errors import UserError


def watch(
    model: Annotated[str, typer.Argument(help="Streaming model, folder or shipped name.")],
    other: Annotated[str | None, typer.Argument(help="Another model, in step on the same noise.")] = None,
    suite: Annotated[str, typer.Option(help="Suite that gives size, length and prompts.")] = "sprite-30s",
    prompt: Annotated[str | None, typer.Option(help="First prompt; by default the suite's first.")] = None,
    seed: Annotated[int, typer.Option(help="First seed of the noise.", min=0)] = 0,
    at: Annotated[
        list[str] | None,
        typer.Option(help="Change from a chunk on: 3:seed=7, 3:prompt=TEXT or 3:forks=8,9; repeatable."),
    ] = None,
    heads: Annotated[Path, typer.Option(help="Folder of `probekit probe`, with the readout heads.")] = Path(
        "runs/probes"
    ),
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.", min=0, max=65535)] = 0,
    device: Annotated[str, typer.Option(help="Device of the networks.")] = "cpu",
    precision: Annotated[Precision, typer.Option(help="Number format of the denoiser.")] = "float32",
    out: Annotated[
        Path | None, typer.Option(help="Film (.mp4) or picture (.png) to write, in place of a page.")
    ] = None,
    chunks: Annotated[
        int | None, typer.Option(help="Chunks of the film; with --preferences of each video, by default 7.", min=1)
    ] = None,
    frame: Annotated[int | None, typer.Option(help="Frame of the picture, from 0; by default the last.", min=0)] = None,
    preferences: Annotated[
        Path | None, typer.Option(help="File of choices between two blind models, in place of watching.")
    ] = None,
    order_seed: Annotated[int, typer.Option(help="Seed of the sides on which blind models stand.", min=0)] = 0,
) -> None:
    """Watch rollouts as they are made, beside what their states know of the future; change, fork or judge them."""
    with reporting_errors():
        from probekit.live.script import script_of
        from probekit.rollout.sampling_config import SamplingConfig
        from probekit.suites.registry import load_suite
        from probekit.workflows.watch import (
            need_live_packages,
            open_watched,
            preference_table,
            serve_page,
            serve_preferences,
            watch_to_file,
        )

        if out is None:
            need_live_packages()
        _refuse_contradictions(out, chunks, frame, preferences)
        planned = load_suite(suite)
        first = prompt or next(iter(planned.generation_texts().values()))
        script = script_of(first, seed, at or [])
        models = [model] if other is None else [model, other]
        config = SamplingConfig(device=usable_device(device), precision=precision)
        opened = open_watched(models, planned, heads, config)
        if out is not None:
            watch_to_file(opened, script, out, chunks, frame)
            say(f"wrote {out}")
        elif preferences is not None:
            table = preference_table(opened, preferences, seed, order_seed, chunks or 7)
            serve_preferences(opened, table, port, _told)
        else:
            serve_page(opened, script, port, _told)


def _told(address: str) -> None:
    say(f"open {address} in a browser on this machine; Ctrl-C ends it")


def _refuse_contradictions(out: Path | None, chunks: int | None, frame: int | None, preferences: Path | None) -> None:
    if preferences is not None and out is not None:
        raise UserError("--out writes a file and --preferences asks.", "Leave out one of the two.")
    if chunks is not None and out is None and preferences is None:
        raise UserError("A page has no --chunks.", "Leave it out, or give --out or --preferences.")
    if frame is not None and (out is None or out.suffix != ".png"):
        raise UserError("--frame is about a picture.", "Give --out a name that ends in .png, or leave --frame out.")
