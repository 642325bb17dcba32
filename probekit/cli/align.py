"""`probekit align`."""

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.errors import reporting_errors
from probekit.cli.terminal import say


def align(
    stores: Annotated[list[Path], typer.Argument(help="Stores of `probekit capture`, the baseline first.")],
    encoder: Annotated[str, typer.Option(help="Bidirectional model: folder, shipped name or Hub id.")],
    out: Annotated[Path, typer.Option(help="Folder for features, tables and figures.")],
    depth: Annotated[float, typer.Option(help="Relative depth of the encoder's block.", min=0)] = 0.5,
    offset: Annotated[list[int] | None, typer.Option(help="Chunks ahead, 0 is the present; repeatable.", min=0)] = None,
    neighbours: Annotated[int, typer.Option(help="Nearest neighbours of each prompt.", min=1)] = 10,
    device: Annotated[str, typer.Option(help="Device of the encoder.")] = "cpu",
) -> None:
    """Compare hidden states with what an encoder sees in the same videos, some chunks ahead."""
    with reporting_errors():
        from probekit.devices import usable_device
        from probekit.probing.alignment import CKA, AlignmentSettings
        from probekit.reporting.alignment_table import alignment_table
        from probekit.workflows.align import align_stores

        settings = AlignmentSettings(neighbours=neighbours, depth=depth)
        if offset:
            settings = settings._replace(offsets=tuple(sorted(set(offset))))
        result = align_stores(stores, encoder, out, settings, device=usable_device(device))
        say(alignment_table(result.contrasts, CKA).markdown())
        say(f"tables and figures in {result.folder}")
