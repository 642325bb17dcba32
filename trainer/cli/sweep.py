"""`trainer sweep`."""

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.errors import reporting_errors
from probekit.cli.terminal import say

_SHELF = Path("runs/sweeps")
_STATUS = "status"


def sweep_command(
    tables: Annotated[
        list[str],
        typer.Argument(
            help="Tables of the paper, e.g. table11, or sweep files; or all. `status` before them is --status."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of all tables, each in a folder of its name.")] = _SHELF,
    scale: Annotated[str, typer.Option(help="Scale of the models: sprite or wan.")] = "sprite",
    overrides: Annotated[list[str] | None, typer.Option("--set", help="Override of every row, e.g. steps=50.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Training runs of every row.", min=1, max=100)] = None,
    jobs: Annotated[int, typer.Option(help="Training runs side by side.", min=1)] = 1,
    processes: Annotated[int, typer.Option(help="Processes that train a row, one per GPU.", min=1)] = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be trained and scored.")] = False,
    finished: Annotated[bool, typer.Option("--finished", help="Train nothing: tables of the finished runs.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Only say where each training run stands.")] = False,
) -> None:
    """Train, score and compare every row of tables; the same command resumes."""
    with reporting_errors():
        from probekit.children import passing_on_signals
        from probekit.cli.tables import table_console
        from probekit.reporting.comparison_tables import comparison_table
        from trainer.config.sweep import ALL, find_sweeps
        from trainer.sweeps.execution import run_sweeps, sweep_plan
        from trainer.sweeps.open_sweep import open_sweep
        from trainer.sweeps.results import compare_finished
        from trainer.sweeps.status import status_lines, sweep_status

        if tables[0] == _STATUS:
            status, tables = True, tables[1:] or [ALL]
        paths = find_sweeps(tables)
        alone = len(paths) == 1
        folders = [out / path.stem for path in paths]
        sweeps = [
            open_sweep(path, folder, overrides or [], scale, seeds) for path, folder in zip(paths, folders, strict=True)
        ]
        if dry_run:
            say("\n".join(line for sweep in sweeps for line in sweep_plan(sweep, processes)))
            return
        if status:
            for sweep in sweeps:
                say("\n".join((*([] if alone else [f"{sweep.config.title}:"]), *status_lines(sweep_status(sweep)))))
            return
        with passing_on_signals():
            records = [compare_finished(sweep) for sweep in sweeps] if finished else run_sweeps(sweeps, jobs, processes)
        for folder, record in zip(folders, records, strict=True):
            table_console().print(comparison_table(record).rich())
            say((folder / "table" / "sweep.md").read_text(encoding="utf-8"))
