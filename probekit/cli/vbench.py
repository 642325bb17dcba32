"""`probekit vbench`: what the official dimensions need, and their result files."""

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from probekit.cli.errors import reporting_errors
from probekit.cli.options import AllowMissing
from probekit.cli.terminal import say

if TYPE_CHECKING:
    from probekit.evaluation.vbench.official.readiness import Readiness

app = typer.Typer(no_args_is_help=True, help="VBench's own modules: what they need, their weights and result files.")

_UNITS = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


@app.callback()
def describe() -> None:
    """Prepare official scoring, and exchange official result files."""


@app.command()
def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False) -> None:
    """Say of each of the 16 dimensions whether it can run here, and what it lacks."""
    with reporting_errors():
        from probekit.evaluation.vbench.official.readiness import report

        found = report()
        if as_json:
            say(json.dumps([_as_json(each) for each in found], indent=1))
            return
        for each in found:
            where = "" if each.place == "here" else " in its own environment"
            say(f"{each.dimension}: {'runs' if each.ready else 'does not run'}{where}")
            for line in (*each.environment, *each.hub):
                say(f"  missing: {line}")
            for line in each.different:
                say(f"  different: {line}")
            for file in each.files:
                say(f"  missing: {file.name}, {_size(file.size_bytes)}: {file.path} from {file.url}")
        say(f"{sum(each.ready for each in found)} of {len(found)} dimensions run.")


def _as_json(found: "Readiness") -> dict[str, object]:
    files = [
        {"name": file.name, "path": str(file.path), "url": file.url, "size_bytes": file.size_bytes}
        for file in found.files
    ]
    return {
        "dimension": found.dimension,
        "ready": found.ready,
        "place": found.place,
        "environment": list(found.environment),
        "files": files,
        "different": list(found.different),
        "hub": list(found.hub),
    }


def _size(count: int | None) -> str:
    if count is None:
        return "size unknown"
    unit, factor = next(((unit, factor) for unit, factor in _UNITS if count >= factor), ("bytes", 1.0))
    return f"{count / factor:.3g} {unit}"


@app.command()
def fetch(
    dimensions: Annotated[list[str] | None, typer.Argument(help="Dimensions; all if none is named.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be fetched.")] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Fail if anything is missing; also HF_HUB_OFFLINE=1.")
    ] = False,
) -> None:
    """Fetch the weights that dimensions lack, verified by hash. Nothing else in this toolkit fetches them."""
    with reporting_errors():
        from probekit.evaluation.vbench.official.fetch import fetch as fetch_file
        from probekit.evaluation.vbench.official.fetch import fetch_from_hub, refuse_offline, wanted

        what = wanted(dimensions or [])
        for file in what.files:
            say(f"{file.name}, {_size(file.size_bytes)}: {file.url} to {file.path}")
        for model, name in what.hub:
            say(f"{model}/{name} into the Hub's cache")
        if dry_run:
            return
        refuse_offline(what, offline=offline)
        for path in [*map(fetch_file, what.files), *fetch_from_hub(what.hub)]:
            say(f"wrote {path}")


@app.command()
def setup(
    detectron2: Annotated[
        str | None, typer.Option(help="Also build detectron2, for GRiT: a checkout or a git+https address.")
    ] = None,
    python: Annotated[
        str | None, typer.Option(help="Python 3.11 that makes the environment; by default the one that runs this.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print the commands.")] = False,
) -> None:
    """Make the environment of their own that five dimensions need: scene, and with detectron2 GRiT's four."""
    with reporting_errors():
        from probekit.evaluation.vbench.official.environment import environment_folder, make_environment, setup_commands

        commands = setup_commands(detectron2, python or sys.executable)
        for command in commands:
            say(shlex.join(command))
        if not dry_run:
            make_environment(commands)
            say(f"made {environment_folder()}")


@app.command("export-results")
def export_results(
    run: Annotated[Path, typer.Argument(help="Scored run folder.")],
    out: Annotated[Path, typer.Option(help="Folder for the two files.")],
    name: Annotated[str | None, typer.Option(help="First part of their names; by default the model's.")] = None,
) -> None:
    """Write scores in the official layout: `<name>_eval_results.json` and `<name>_full_info.json`."""
    with reporting_errors():
        from probekit.workflows.vbench_results import export_official

        for line in export_official(run, out, name):
            say(line)


@app.command("import-results")
def import_results(
    folder: Annotated[Path, typer.Argument(help="Folder with `*_eval_results.json` of one model.")],
    out: Annotated[Path, typer.Option(help="Run folder to make.")],
    model: Annotated[str | None, typer.Option(help="Name of the model; by default the folder's.")] = None,
    allow_missing: AllowMissing = False,
) -> None:
    """Make a run folder with scores from official result files."""
    with reporting_errors():
        from probekit.workflows.vbench_results import import_official

        done = import_official(folder, out, model, allow_missing=allow_missing)
        say(f"wrote {done.table}")
        for dimension, reason in done.missing.items():
            say(f"left out: {dimension}: {reason}", err=True)
