"""`trainer sweep`."""

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.errors import reporting_errors
from probekit.cli.terminal import say


def sweep_command(
    table: Annotated[str, typer.Argument(help="A table of the paper, e.g. table11, or a sweep file.")],
    out: Annotated[Path | None, typer.Option(help="Folder of runs and table; by default runs/sweeps/TABLE.")] = None,
    scale: Annotated[str, typer.Option(help="Scale of the models: sprite or wan.")] = "sprite",
    overrides: Annotated[list[str] | None, typer.Option("--set", help="Override of every row, e.g. steps=50.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Training runs of every row.", min=1, max=100)] = None,
    jobs: Annotated[int, typer.Option(help="Training runs side by side.", min=1)] = 1,
    processes: Annotated[int, typer.Option(help="Processes that train a row, one per GPU.", min=1)] = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be trained and scored.")] = False,
    finished: Annotated[bool, typer.Option("--finished", help="Train nothing: tables of the finished runs.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Only say where each training run stands.")] = False,
) -> None:
    """Train, score and compare every row of a table; the same command resumes."""
    with reporting_errors():
        from probekit.cli.tables import table_console
        from probekit.reporting.comparison_tables import comparison_table
        from trainer.config.sweep import find_sweep
        from trainer.sweep import run_sweep, sweep_plan
        from trainer.sweep_results import compare_finished
        from trainer.sweep_status import status_lines, sweep_status

        path = find_sweep(table)
        folder = out or Path("runs/sweeps") / path.stem
        if dry_run:
            say("\n".join(sweep_plan(path, folder, overrides or [], processes, scale, seeds)))
            return
        if status:
            say("\n".join(status_lines(sweep_status(path, folder, scale, overrides or [], seeds))))
            return
        if finished:
            record = compare_finished(path, folder, overrides or [], scale, seeds)
        else:
            record = run_sweep(path, folder, overrides or [], jobs, processes, scale, seeds)
        table_console().print(comparison_table(record).rich())
        say((folder / "table" / "sweep.md").read_text(encoding="utf-8"))
