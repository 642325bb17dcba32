"""`probekit score`."""

from pathlib import Path
from typing import Annotated

import typer

from probekit.choices import Backbone, Backend, ClipRule, ScoringSuite
from probekit.cli.errors import reporting_errors
from probekit.cli.options import ShardOption, fast_settings, parse_shard
from probekit.cli.terminal import WHERE_REASONS_ARE, say
from probekit.evaluation.scoring.time_limit import SECONDS_PER_SCORE
from probekit.visible_gpus import take_own_gpu


def score(
    target: Annotated[Path, typer.Argument(help="Run folder, or a table or folder of videos from elsewhere.")],
    out: Annotated[Path | None, typer.Option(help="For a table or folder: parent folder of the runs it makes.")] = None,
    suite: Annotated[
        ScoringSuite | None,
        typer.Option(help="Score by this suite instead, into runs of its own in --out; natural is not VBench."),
    ] = None,
    backend: Annotated[
        Backend, typer.Option(help="VBench's dimensions: free of weights, fast (our networks) or official modules.")
    ] = "free",
    workers: Annotated[
        int | None, typer.Option(help="Processes that share the videos and outlive a crash; one per GPU.", min=1)
    ] = None,
    device: Annotated[str, typer.Option(help="Fast backend: auto, cpu, cuda or cuda:1.")] = "auto",
    bf16: Annotated[bool, typer.Option("--bf16", help="Fast backend: half precision; scorer ids say it.")] = False,
    unverified_weights: Annotated[
        bool,
        typer.Option("--unverified-weights", help="Fast backend: take weight files that are not the published ones."),
    ] = False,
    time_limit: Annotated[
        float, typer.Option(help="Seconds that one score of one video may take before it is given up.", min=1)
    ] = SECONDS_PER_SCORE,
    shard: ShardOption = None,
    clips: Annotated[
        ClipRule, typer.Option(help="What is scored together: whole videos, or 2 s clips as vbench-long cuts them.")
    ] = "whole",
    reference: Annotated[
        Path | None, typer.Option(help="Also PSNR, SSIM and MSE against the run in this folder.")
    ] = None,
    lpips: Annotated[
        Backbone | None, typer.Option(help="With --reference: LPIPS with a pretrained or random backbone.")
    ] = None,
) -> None:
    """Score videos by every dimension that can run here; scored videos are not scored again."""
    with reporting_errors():
        share = parse_shard(shard)
        take_own_gpu()
        precision = "bfloat16" if bf16 else "float32"
        settings = fast_settings(device, precision=precision, unverified_weights=unverified_weights)
        from probekit.reporting.cells import not_run_text
        from probekit.workflows.score import runs_to_score, score_against_reference, score_run

        runs, failures = runs_to_score(target, out, suite)
        not_run: dict[str, str] = {}
        for run in runs:
            summary = score_run(
                run, share, clips, backend=backend, workers=workers, settings=settings, seconds=time_limit
            )
            say(f"{run}: {summary.n_scored} videos scored")
            failures += [f"{failure.path}: {failure.problem}" for failure in summary.failures]
            not_run.update({missing.dimension: missing.reason for missing in summary.not_run})
            if reference is not None:
                say(f"{run}: wrote {score_against_reference(run, reference, lpips)}")
        if not_run:
            say(not_run_text(not_run, WHERE_REASONS_ARE))
        for failure in failures:
            say(f"error: {failure}", err=True)
        if failures:
            raise typer.Exit(1)
