"""`probekit readouts`."""

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.errors import reporting_errors


def readouts(
    table: Annotated[Path, typer.Argument(help="CSV with the columns file, prompt_id, prompt, horizon_chunks, kind.")],
    out: Annotated[Path, typer.Option(help="Folder for readouts.csv and readouts.md.")],
) -> None:
    """Score future-frame readouts of probes against the frame they foresee, beside a copy of the current frame."""
    with reporting_errors():
        from probekit.probing.published_readouts import score_published_readouts
        from probekit.probing.readout_tables import readout_markdown, write_readout_csv, write_readout_markdown

        rows = score_published_readouts(table)
        write_readout_csv(out / "readouts.csv", rows)
        write_readout_markdown(out / "readouts.md", rows)
        typer.echo(readout_markdown(rows))
