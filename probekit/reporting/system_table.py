"""Systems beside one another, as in table 5 of Video-Mirai: size, resolution, speed, Quality, Semantic, Total."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from probekit.reporting.cells import NO_VALUE, score_text
from probekit.reporting.paper_reference import paper_rows
from probekit.reporting.table import Column, Table

PAPER: Final = "Video-Mirai, table 5"
HERE: Final = "measured here"


class SystemRow(NamedTuple):
    """One system.

    Attributes:
        name: name of the system.
        source: where the numbers come from.
        parameters: parameters as text, e.g. '1.3B'; None where unknown.
        resolution: width x height in pixels; None where its videos differ.
        throughput: frames per second; None where nobody measured.
        latency: seconds until the first frames.
        quality: Quality in percent; None where a dimension is missing.
        semantic: Semantic in percent.
        total: Total in percent.
        scored: scored of planned scores of videos, over all dimensions; None for published numbers.
        hardware: hardware on which the speed was measured.
        reasons: why numbers are absent.
    """

    name: str
    source: str
    parameters: str | None
    resolution: str | None
    throughput: float | None
    latency: float | None
    quality: float | None
    semantic: float | None
    total: float | None
    scored: tuple[int, int] | None = None
    hardware: str | None = None
    reasons: tuple[str, ...] = ()


_COLUMNS: Final[tuple[Column[SystemRow], ...]] = (
    Column("system", lambda row: row.name),
    Column("params", lambda row: row.parameters, True),
    Column("resolution", lambda row: row.resolution, True),
    Column("frames/s", lambda row: score_text(row.throughput, ".3g"), True),
    Column("latency (s)", lambda row: score_text(row.latency, ".3g"), True),
    Column("Quality", lambda row: score_text(row.quality), True),
    Column("Semantic", lambda row: score_text(row.semantic), True),
    Column("Total", lambda row: score_text(row.total), True),
    Column("scored", lambda row: "" if row.scored is None else f"{row.scored[0]}/{row.scored[1]}", True),
)


def table_of_systems(rows: Sequence[SystemRow], banner: str | None = None) -> Table[SystemRow]:
    """The table of systems in the given order.

    Args:
        rows: one row per system.
        banner: what makes the comparison unfair; None where nothing does.
    """
    return Table(_COLUMNS, rows, _notes(rows), banner, data=_data(banner), digits=".6f", group=lambda row: row.source)


def _data(banner: str | None) -> list[Column[SystemRow]]:
    """Columns for programs; the banner stands in every row."""
    return [
        Column("system", lambda row: row.name),
        Column("source", lambda row: row.source),
        Column("parameters", lambda row: row.parameters),
        Column("resolution", lambda row: row.resolution),
        Column("throughput_fps", lambda row: _six_digits(row.throughput)),
        Column("latency_s", lambda row: _six_digits(row.latency)),
        Column("quality", lambda row: row.quality),
        Column("semantic", lambda row: row.semantic),
        Column("total", lambda row: row.total),
        Column("videos_scored", lambda row: None if row.scored is None else row.scored[0]),
        Column("videos_planned", lambda row: None if row.scored is None else row.scored[1]),
        Column("hardware", lambda row: row.hardware),
        Column("reasons", lambda row: "; ".join(row.reasons)),
        Column("banner", lambda row: banner),
    ]


def parameters_text(count: int) -> str:
    """A number of parameters in billions, millions or thousands: '1.3B', '4.6M', '12K'."""
    for size, unit in ((10**9, "B"), (10**6, "M"), (10**3, "K")):
        if count >= size:
            return f"{count / size:.1f}{unit}" if count < 10 * size else f"{count / size:.0f}{unit}"
    return str(count)


def paper_systems() -> list[SystemRow]:
    """The systems of the paper's table 5, as printed there: nothing of it was measured here."""
    return [
        SystemRow(
            name=row["model"],
            source=PAPER,
            parameters=row["params"],
            resolution=row["resolution"],
            throughput=float(row["throughput_fps"]),
            latency=float(row["latency_s"]),
            quality=float(row["quality"]),
            semantic=float(row["semantic"]),
            total=float(row["total"]),
        )
        for row in paper_rows(5)
    ]


def _notes(rows: Sequence[SystemRow]) -> list[str]:
    """The lines under every table: how numbers came about and why some are absent."""
    lines = [
        "frames/s: frames of a video by the median wall time from prompt to decoded frames, one video at a time; "
        "latency: median time to the first decoded frames. Scored: scores of those planned, over all dimensions. "
        f"Quality, Semantic and Total in percent, {NO_VALUE} where one of their dimensions is not scored."
    ]
    machines: dict[str, list[str]] = {}
    for row in rows:
        if row.hardware is not None:
            machines.setdefault(row.hardware, []).append(row.name)
    lines += [f"Speed on {machine}: {', '.join(names)}." for machine, names in machines.items()]
    if len(machines) > 1:
        lines.append("Speeds of different machines do not compare.")
    lines += [f"{row.name}: {reason}." for row in rows for reason in row.reasons]
    printed = [row.name for row in rows if row.source == PAPER]
    if printed:
        lines.append(f"As printed in {PAPER}, not measured here: {', '.join(printed)}.")
    return [" ".join(line.split()) for line in lines]


def _six_digits(value: float | None) -> str | None:
    return None if value is None else f"{value:.6g}"
