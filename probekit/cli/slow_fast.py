"""`probekit slow-fast`."""

from pathlib import Path
from statistics import fmean
from typing import Annotated

import typer

from probekit.cli.errors import reporting_errors
from probekit.cli.options import fast_settings
from probekit.cli.terminal import WHERE_REASONS_ARE, say
from probekit.errors import UserError


def slow_fast(
    run: Annotated[Path, typer.Argument(help="Run folder, usually of long videos.")],
    out: Annotated[Path, typer.Option(help="Folder for slow_fast.csv.")],
    tables: Annotated[
        Path | None, typer.Option(help="Folder of VBench-Long's two mapping tables, from its repository.")
    ] = None,
    weights: Annotated[
        str, typer.Option(help="Weights of in-clip and clip-to-clip scores; 0.5,0.5 is VBench-Long's --dev_flag.")
    ] = "1,0",
    device: Annotated[str, typer.Option(help="Device: auto, cpu, cuda or cuda:1.")] = "auto",
    unverified_weights: Annotated[
        bool, typer.Option("--unverified-weights", help="Take network weights that are not the published ones.")
    ] = False,
) -> None:
    """Subject and background consistency within 2 s clips and from clip to clip, fused as VBench-Long does."""
    with reporting_errors():
        settings = fast_settings(device, unverified_weights=unverified_weights)
        from probekit.reporting.cells import not_run_text
        from probekit.workflows.slow_fast import Fusion, slow_fast_run

        done = slow_fast_run(run, out, Fusion(tables, *_weights(weights)), settings)
        for dimension in sorted({row.dimension for row in done.rows}):
            fused = [row.fused for row in done.rows if row.dimension == dimension]
            say(f"{dimension}: {fmean(fused):.4f}, mean of {len(fused)} videos")
        if done.not_run:
            say(not_run_text(dict(done.not_run), WHERE_REASONS_ARE))
        for path, problem in done.problems:
            say(f"error: {path}: {problem}", err=True)
        if done.problems:
            raise typer.Exit(1)


def _weights(text: str) -> tuple[float, float]:
    try:
        inclip, clip2clip = (float(part) for part in text.split(","))
    except ValueError as error:
        raise UserError(f"{text!r} is not two weights.", "Write e.g. 0.5,0.5.") from error
    return inclip, clip2clip
