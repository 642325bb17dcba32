"""`probekit drop`."""

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.errors import reporting_errors
from probekit.cli.terminal import say
from probekit.errors import UserError


def drop(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="SHORT LONG...", help="Scored runs of both horizons; more pairs are training runs."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for drop.csv, drop.md and protocol.json.")],
    against: Annotated[
        tuple[Path, Path] | None, typer.Option(help="Short and long run of a method to compare with this baseline.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the resampling.", min=0)] = 0,
) -> None:
    """What a model loses from the short to the long horizon, and whether another one loses less."""
    with reporting_errors():
        from probekit.atomic_files import write_json
        from probekit.reporting.drop_table import drop_table
        from probekit.run_folder.protocol_card import PROTOCOL_FILENAME
        from probekit.workflows.drop import drop_of_runs, drop_protocol

        if len(runs) % 2:
            raise UserError(f"{runs[-1]} has no partner.", "Give a short and a long run of each training run, in turn.")
        pairs = [*zip(runs[::2], runs[1::2], strict=True), *([against] if against else [])]
        table = drop_table(drop_of_runs(pairs, seed=seed))
        protocol = drop_protocol(pairs)
        table.write(out, "drop")
        write_json(out / PROTOCOL_FILENAME, protocol.model_dump(mode="json"))
        say(table.markdown())
