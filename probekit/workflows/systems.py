"""Scored runs of different systems as one table, each with its size, resolution and speed."""

from collections.abc import Sequence

from probekit.choices import Weighting
from probekit.errors import UserError
from probekit.evaluation.interchange.table import IMPORTED_RUN
from probekit.reporting.system_table import (
    HERE,
    SystemRow,
    paper_systems,
    parameters_text,
    table_of_systems,
)
from probekit.reporting.table import Table
from probekit.reporting.total_table import RunTotal
from probekit.run_folder.manifest import load_video_set, manifest_files
from probekit.run_folder.protocol_card import FieldMismatch, mismatches
from probekit.run_folder.speed_record import SpeedRecord, read_speed
from probekit.workflows.compare import ScoredRun
from probekit.workflows.total import total_of_run


def system_table(
    runs: Sequence[ScoredRun],
    weighting: Weighting = "prompt-mean",
    *,
    allow_mismatch: bool = False,
    with_paper: bool = False,
) -> Table[SystemRow]:
    """Set systems side by side that were asked the same prompts and scored by the same scorers.

    What a system is made for (length, frame rate, resolution, seed, codec) may differ here, unlike in `compare`.

    Args:
        runs: scored runs of one suite and horizon.
        weighting: mean of a dimension.
        allow_mismatch: go on although prompts or scorers differ, with a banner.
        with_paper: put the paper's own systems below, as printed.

    Raises:
        UserError: if there is no run, suites or horizons differ, or protocols do in prompts or scorers.
    """
    if not runs:
        raise UserError("There is no system to show.", "Give at least one scored run folder.")
    first, *others = runs
    banner: list[str] = []
    for run in others:
        if (run.suite, run.horizon) != (first.suite, first.horizon):
            raise UserError(
                f"{run.root} is {run.suite} at {run.horizon}, {first.root} {first.suite} at {first.horizon}.",
                "Show systems of one suite and horizon.",
            )
        for field, ours, theirs in _unfair(first, run):
            if not allow_mismatch:
                raise UserError(
                    f"The protocols of {first.root} and {run.root} differ in {field}: {ours!r} and {theirs!r}.",
                    "Score both under one protocol, or pass --allow-mismatch to go on with a banner.",
                )
            banner.append(field)
    rows = [_row(run, total_of_run(run, weighting)) for run in runs]
    text = f"PROTOCOLS DIFFER in {', '.join(dict.fromkeys(banner))}" if banner else None
    return table_of_systems([*rows, *(paper_systems() if with_paper else ())], text)


def _unfair(first: ScoredRun, run: ScoredRun) -> list[FieldMismatch]:
    return [found for found in mismatches(first.protocol, run.protocol) if not found.field.startswith("generation.")]


def _row(run: ScoredRun, total: RunTotal) -> SystemRow:
    speed = read_speed(run.root)
    reasons = [] if speed else [_why_no_speed(run)]
    if total.aggregate.missing:
        names = ", ".join(name.replace("_", " ") for name in total.aggregate.missing)
        reasons.append(f"not scored, so what needs them is absent: {names}")
    return SystemRow(
        name=run.method.model,
        source=HERE,
        parameters=parameters_text(speed.parameters) if speed else None,
        resolution=_resolution(run),
        throughput=speed.throughput() if speed else None,
        latency=speed.latency() if speed else None,
        quality=total.aggregate.quality,
        semantic=total.aggregate.semantic,
        total=total.aggregate.total,
        scored=(sum(row.n_scored for row in total.dimensions), sum(row.n_planned for row in total.dimensions)),
        hardware=_machine(speed) if speed else None,
        reasons=tuple(reasons),
    )


def _why_no_speed(run: ScoredRun) -> str:
    if run.method.training_run == IMPORTED_RUN:
        return "its videos were imported, so nothing is known of its size and speed"
    return "size and speed were not measured; `probekit sample --measure` does it"


def _resolution(run: ScoredRun) -> str | None:
    if not manifest_files(run.root):
        return None
    sizes = {(row.width, row.height) for row in load_video_set(run.root).rows}
    return "{}x{}".format(*sizes.pop()) if len(sizes) == 1 else None


def _machine(speed: SpeedRecord) -> str:
    machine = speed.hardware.get("gpus") if speed.device.startswith("cuda") else None
    return f"{machine or speed.hardware['processor']} ({speed.device}, {speed.precision})"
