"""`trainer encode-sprites`, `encode-videos` and `audit-prompts`: what is trained on."""

from pathlib import Path
from typing import Annotated

import typer

from probekit.choices import Split
from probekit.cli.errors import reporting_errors
from probekit.cli.options import ShardOption, parse_shard
from probekit.cli.terminal import say
from probekit.models.presets import TRAINED_RGB_FRAMES, WAN_480P_GEOMETRY


def encode_sprites(
    out: Annotated[Path, typer.Option(help="Folder for the shards.")] = Path("runs/sprite-latents"),
    shards: Annotated[int, typer.Option(help="Shards of 250 clips.", min=1)] = 48,
    split: Annotated[Split, typer.Option(help="Split of the data.")] = "train",
    model: Annotated[str, typer.Option(help="Model folder or shipped model whose codec encodes.")] = "sprite-base",
) -> None:
    """Render and encode clips of the sprite world for training."""
    with reporting_errors():
        from trainer.data.jobs import encode_sprite_clips

        encode_sprite_clips(out, shards, split, model)


def encode_videos_command(
    videos: Annotated[Path, typer.Argument(help="Folder of videos.")],
    captions: Annotated[Path, typer.Option(help="CSV or JSONL with file and caption.")],
    model: Annotated[str, typer.Option(help="Model folder, shipped model or Hub id whose codec encodes.")],
    out: Annotated[Path, typer.Option(help="Folder for the shards.")],
    frames: Annotated[
        int, typer.Option(help="Frames per clip: 1 more than a multiple of 4.", min=1)
    ] = TRAINED_RGB_FRAMES,
    height: Annotated[int, typer.Option(help="Rows of a frame.", min=8)] = WAN_480P_GEOMETRY.rgb_height,
    width: Annotated[int, typer.Option(help="Columns of a frame.", min=8)] = WAN_480P_GEOMETRY.rgb_width,
    split: Annotated[Split, typer.Option(help="Split of the data.")] = "train",
    shard: ShardOption = None,
    skip_corrupt: Annotated[bool, typer.Option("--skip-corrupt", help="Leave out what cannot be read.")] = False,
) -> None:
    """Encode videos with captions for training; the same command goes on where it stopped."""
    with reporting_errors():
        from trainer.data.encode_videos import ClipSize
        from trainer.data.video_jobs import encode_captioned_videos

        size, share = ClipSize(frames, height, width), parse_shard(shard)
        for line in encode_captioned_videos(videos, captions, model, out, size, split, share, skip_corrupt):
            say(f"left out: {line}", err=True)


def audit_prompts(
    training: Annotated[Path, typer.Argument(help="Training prompts: .txt, .csv, .parquet or a folder of them.")],
    evaluation: Annotated[str, typer.Argument(help="Evaluation suite, or another prompt file.")],
    near: Annotated[
        float,
        typer.Option(help="Share of common words above which two prompts count as the same.", min=0.1, max=1),
    ] = 0.9,
) -> None:
    """List evaluation prompts that are trained on, or nearly so; exits with 1 if there are any."""
    with reporting_errors():
        from probekit.suites.registry import load_suite
        from trainer.data.prompt_audit import shared_prompts
        from trainer.data.prompts import read_prompts

        if Path(evaluation).exists():
            prompts = [
                (f"prompt {number}", text) for number, text in enumerate(read_prompts(Path(evaluation)), start=1)
            ]
        else:
            prompts = [(prompt.prompt_id, prompt.text) for prompt in load_suite(evaluation).prompts]
        shared = shared_prompts(read_prompts(training), [text for _, text in prompts], near)
        for found in shared:
            name, text = prompts[found.number]
            say(f"{name}: {text} | {found.similarity:.0%} in training: {found.training}")
        say(f"{len(shared)} of {len(prompts)} evaluation prompts are trained on")
        if shared:
            raise typer.Exit(1)
