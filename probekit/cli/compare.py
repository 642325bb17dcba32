"""`probekit compare`."""

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.errors import reporting_errors
from probekit.cli.options import Mismatch, Replicates, Runs, Seed
from probekit.cli.tables import table_console


def compare(
    runs: Runs,
    out: Annotated[Path, typer.Option(help="Folder for comparison.json, .csv, .md and .tex.")],
    seed: Seed = 0,
    replicates: Replicates = 10_000,
    allow_mismatch: Mismatch = False,
) -> None:
    """Compare scored runs with the first by the paper's paired bootstrap over prompts."""
    with reporting_errors():
        from probekit.reporting.comparison_io import write_comparison
        from probekit.reporting.comparison_tables import to_rich
        from probekit.workflows.comparing import compare_runs, open_scored_run

        opened = [open_scored_run(run) for run in runs]
        record = compare_runs(opened, seed=seed, replicates=replicates, allow_mismatch=allow_mismatch)
        paths = write_comparison(out, record)
        table_console().print(to_rich(record))
        typer.echo(f"wrote {', '.join(str(path) for path in paths)}")
