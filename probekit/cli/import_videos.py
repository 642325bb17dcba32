"""`probekit import` and `import-vbench`."""

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.errors import reporting_errors
from probekit.cli.options import AllowMissing, SuiteOptions
from probekit.cli.terminal import say

Sources = Annotated[
    list[Path], typer.Argument(help="Folders of videos (several: sample 0, 1, ... of names without index), or tables.")
]
Out = Annotated[Path, typer.Option(help="Run folder; for the suite custom, parent of the run folders.")]
Model = Annotated[str | None, typer.Option(help="The model's name in tables; by default the folder's.")]
NamingOption = Annotated[str, typer.Option("--naming", help="How files are named: auto, vbench, self-forcing, ...")]


def import_videos(
    sources: Sources,
    out: Out,
    suite: Annotated[str, typer.Option(help="Suite of the videos; custom for any other.")] = "custom",
    suite_option: SuiteOptions = None,
    model: Model = None,
    naming: NamingOption = "auto",
    horizon: Annotated[str | None, typer.Option(help="Suite custom: length class, e.g. 30s.")] = None,
    allow_missing: AllowMissing = False,
) -> None:
    """Make a run folder of videos that another project wrote, naming every video that its file names lost."""
    with reporting_errors():
        if suite != "custom":
            _import_named(sources, out, suite, suite_option, model, naming, allow_missing)
            return
        from probekit.workflows.import_videos import import_any

        runs, problems = import_any(sources, out, model=model, horizon=horizon)
        for run in runs:
            say(f"imported {run}")
        for path, problem in problems:
            say(f"error: {path}: {problem}", err=True)
        if problems and not (allow_missing and runs):
            raise typer.Exit(1)


def import_vbench(
    sources: Sources,
    out: Out,
    suite_option: SuiteOptions = None,
    model: Model = None,
    naming: NamingOption = "auto",
    allow_missing: AllowMissing = False,
) -> None:
    """Make a run folder of a folder of VBench videos, `<prompt>-<i>.mp4` or as other projects name them."""
    with reporting_errors():
        _import_named(sources, out, "vbench", suite_option, model, naming, allow_missing)


def _import_named(
    sources: list[Path],
    out: Path,
    suite: str,
    suite_option: list[str] | None,
    model: str | None,
    naming: str,
    allow_missing: bool,
) -> None:
    from probekit.suites.registry import all_prompts, load_suite
    from probekit.workflows.import_videos import import_named_videos

    settings = suite_option or []
    planned = load_suite(suite, settings)
    done = import_named_videos(
        sources, planned, all_prompts(planned, settings), out, model=model, naming=naming, allow_missing=allow_missing
    )
    for path, problem in done.problems:
        say(f"unused: {path}: {problem}", err=True)
    for key, reason in done.lost.items():
        say(f"lost: {key.prompt_id} sample {key.sample}: {reason}", err=True)
    if done.not_drawn:
        say(f"{done.not_drawn} files show prompts that the suite does not use")
    say(f"named by {done.naming}; coverage {done.n_videos}/{done.planned} videos")
    if done.named_after == "extended":
        say("the names are made of the extended texts, so the run is recorded as generated from those")
    if done.run is None:
        say("error: nothing was written. Fix: mend the files, or pass --allow-missing.", err=True)
        raise typer.Exit(1)
    say(f"imported {done.run}")
