"""`probekit planning`."""

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.errors import reporting_errors
from probekit.cli.terminal import say


def planning(
    baseline: Annotated[str, typer.Argument(help="Streaming sprite model, folder or shipped name.")],
    method: Annotated[str, typer.Argument(help="The model to compare it with.")],
    out: Annotated[Path, typer.Option(help="Folder for states and tables; finished states are kept.")],
    episodes: Annotated[int, typer.Option(help="Episodes that both are shown.", min=5)] = 200,
    horizon: Annotated[
        list[int] | None, typer.Option(help="Chunks ahead, 2, 3 and 4 by default; repeatable.", min=1)
    ] = None,
    site: Annotated[list[str] | None, typer.Option(help="Site, e.g. blocks.3@step1, or all blocks: all.")] = None,
    other_identity: Annotated[
        bool, typer.Option("--other-identity", help="Captions state another sprite's colour, shape and size.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of episodes, noise and split.", min=0)] = 0,
) -> None:
    """How far states behind the pillar stay behind the best readout of the true past, in nats and decibels."""
    with reporting_errors():
        from probekit.probing.probe_settings import ProbeSettings
        from probekit.reporting.planning_table import planning_table
        from probekit.workflows.capture import capture_settings
        from probekit.workflows.planning import HORIZONS, PlanningSettings, planning_gap

        probes = ProbeSettings(tuple(sorted(set(horizon or HORIZONS))), perceptual=False, seed=seed)
        captured = capture_settings(baseline, site) if site else None
        result = planning_gap(baseline, method, out, PlanningSettings(episodes, seed, other_identity, probes), captured)
        say(planning_table(result.gaps).markdown())
        say(f"tables in {result.folder}")
