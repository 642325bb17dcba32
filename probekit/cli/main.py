"""The `probekit` command. Each verb has a file of its own; heavy libraries load when a verb runs."""

import logging
import os

import typer

from probekit.children import end_with_torchrun
from probekit.cli import (
    capture,
    compare,
    demo,
    drop,
    export_vbench,
    horizon,
    import_videos,
    manifest,
    power,
    probe,
    readouts,
    report,
    sample,
    score,
    slow_fast,
    static_filter,
    suites,
    systems,
    total,
    vbench,
    weights,
)
from probekit.cli.terminal import log_to_terminal
from probekit.threads import wait_passively

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Sample, score, compare and report video diffusion models.",
)

app.command()(suites.suites)
app.command()(sample.sample)
app.command("import")(import_videos.import_videos)
app.command()(import_videos.import_vbench)
app.command()(export_vbench.export_vbench)
app.command()(static_filter.static_filter)
app.command()(score.score)
app.command()(total.total)
app.command()(compare.compare)
app.command()(systems.systems)
app.command()(power.power)
app.command()(drop.drop)
app.command()(horizon.horizon)
app.command()(slow_fast.slow_fast)
app.command()(report.report)
app.command()(readouts.readouts)
app.command()(probe.probe)
app.command()(capture.capture)
app.command()(demo.demo)
app.add_typer(manifest.app, name="manifest")
app.add_typer(vbench.app, name="vbench")
app.add_typer(weights.app, name="weights")


@app.callback()
def configure() -> None:
    """Send progress and warnings to the terminal."""
    wait_passively()
    end_with_torchrun()
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # ours are plain lines in a log, theirs are not
    log_to_terminal("%(message)s")
    for noisy in ("matplotlib", "PIL", "httpx", "fontTools"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
