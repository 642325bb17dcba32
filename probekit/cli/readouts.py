"""`probekit readouts`."""

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.errors import reporting_errors
from probekit.cli.terminal import say


def readouts(
    table: Annotated[Path, typer.Argument(help="CSV with the columns file, prompt_id, prompt, horizon_chunks, kind.")],
    out: Annotated[Path, typer.Option(help="Folder for readouts.csv and readouts.md.")],
) -> None:
    """Score future-frame readouts of probes against the frame they foresee, beside a copy of the current frame."""
    with reporting_errors():
        from probekit.atomic_files import write_text
        from probekit.probing.published_readouts import score_published_readouts
        from probekit.reporting.readout_table import readout_rows, readout_table

        rows = score_published_readouts(table)
        page = readout_table(rows).markdown()
        write_text(out / "readouts.csv", readout_rows(rows).csv())
        write_text(out / "readouts.md", page)
        say(page)
