"""`probekit horizon`."""

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.errors import reporting_errors
from probekit.cli.options import Replicates, Seed
from probekit.cli.terminal import say
from probekit.geometry import CHUNK_FRAMES


def horizon(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, tables of videos, or video files.")],
    out: Annotated[Path, typer.Option(help="Folder for the tables (Parquet, CSV, horizon.md) and figures.")],
    chunk_frames: Annotated[int, typer.Option(help="Latent frames generated together.", min=1)] = CHUNK_FRAMES,
    window: Annotated[float, typer.Option(help="Seconds of the first-versus-last comparison.", min=0.1)] = 5.0,
    features: Annotated[
        Path | None, typer.Option(help="Folder of <label>/<video name>.npy, (T, D), for the similarity by gap.")
    ] = None,
    seed: Seed = 0,
    replicates: Replicates = 10_000,
) -> None:
    """What long videos do over time: curves by second, first against last, similarity by gap, six detectors."""
    with reporting_errors():
        from probekit.evaluation.long_horizon.diagnosis import DiagnosisSettings
        from probekit.reporting.figures import save_figure
        from probekit.reporting.horizon_figures import curves_figure, similarity_figure
        from probekit.reporting.horizon_tables import fired_shares, write_tables
        from probekit.workflows.horizon import cuts_can_be_found, diagnose_sources, horizon_record, open_sources

        settings = DiagnosisSettings(chunk_frames, window)
        opened = open_sources(runs)
        diagnoses, problems = diagnose_sources(opened.sources, settings=settings, features=features)
        problems = [*opened.problems, *problems]
        for problem in problems:
            say(f"error: {problem.path}: {problem.problem}", err=True)
        record = horizon_record(diagnoses, settings=settings, seed=seed, replicates=replicates)
        paths = write_tables(record, out)
        for name, figure in (("curves.png", curves_figure(record)), ("similarity.png", similarity_figure(record))):
            save_figure(figure, out / name)
            paths.append(out / name)
        for one in diagnoses:
            for found in one.detections:
                if found.fired:
                    say(f"{one.label}, {one.prompt_id} {one.sample}: {found.detector}: {found.where}")
        if not cuts_can_be_found():
            say("detector not run: cut needs weights; `probekit natural setup` brings them")
        for line in fired_shares(diagnoses):
            say(line)
        say(f"diagnosed {len(diagnoses)} of {len(diagnoses) + len(problems)} videos")
        say(f"wrote {', '.join(map(str, paths))}")
        if problems:
            raise typer.Exit(1)
