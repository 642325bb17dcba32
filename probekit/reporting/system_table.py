"""Systems beside one another, as in table 5 of Video-Mirai: size, resolution, speed, Quality, Semantic, Total."""

import csv
import io
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Final, NamedTuple

from probekit.reporting.cells import NO_VALUE, score_text
from probekit.reporting.markup import latex_line, latex_text, markdown_line, markdown_text

PAPER_TABLE: Final = "paper_table_5.csv"
PAPER: Final = "Video-Mirai, table 5"
HERE: Final = "measured here"

CSV_COLUMNS: Final = (
    "system", "source", "parameters", "resolution", "throughput_fps", "latency_s", "quality", "semantic", "total",
    "videos_scored", "videos_planned", "hardware", "reasons", "banner",
)  # fmt: skip


class SystemRow(NamedTuple):
    """One system.

    Attributes:
        name: of the system.
        source: where the numbers come from.
        parameters: as text, e.g. '1.3B'; None where unknown.
        resolution: width x height in pixels; None where its videos differ.
        throughput: frames a second; None where nobody measured.
        latency: seconds until the first frames.
        quality: in percent; None where a dimension is missing.
        semantic: in percent.
        total: in percent.
        scored: scored of planned scores of videos, over all dimensions; None for published numbers.
        hardware: on which the speed was measured.
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


class SystemTable(NamedTuple):
    """Rows in the order in which they are shown.

    Attributes:
        rows: one a system.
        banner: what makes the comparison unfair; None where nothing does.
    """

    rows: tuple[SystemRow, ...]
    banner: str | None = None


class _Column(NamedTuple):
    heading: str
    cell: Callable[[SystemRow], str]


_COLUMNS: Final = (
    _Column("system", lambda row: row.name),
    _Column("params", lambda row: row.parameters or NO_VALUE),
    _Column("resolution", lambda row: row.resolution or NO_VALUE),
    _Column("frames/s", lambda row: _significant(row.throughput)),
    _Column("latency (s)", lambda row: _significant(row.latency)),
    _Column("Quality", lambda row: score_text(row.quality)),
    _Column("Semantic", lambda row: score_text(row.semantic)),
    _Column("Total", lambda row: score_text(row.total)),
    _Column("scored", lambda row: "" if row.scored is None else f"{row.scored[0]}/{row.scored[1]}"),
)


def parameters_text(count: int) -> str:
    """A number of parameters in billions, millions or thousands: '1.3B', '4.6M', '12K'."""
    for size, unit in ((10**9, "B"), (10**6, "M"), (10**3, "K")):
        if count >= size:
            return f"{count / size:.1f}{unit}" if count < 10 * size else f"{count / size:.0f}{unit}"
    return str(count)


def paper_systems() -> list[SystemRow]:
    """The systems of the paper's table 5, as printed there: nothing of it was measured here."""
    text = files("probekit.reporting").joinpath(PAPER_TABLE).read_text(encoding="utf-8")
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
        for row in csv.DictReader(io.StringIO(text))
    ]


def system_notes(table: SystemTable) -> list[str]:
    """The lines under every table: how numbers came about and why some are absent."""
    lines = [
        "frames/s: frames of a video by the median wall time from prompt to decoded frames, one video at a time; "
        "latency: median time to the first decoded frames. Scored: scores of those planned, over all dimensions. "
        f"Quality, Semantic and Total in percent, {NO_VALUE} where one of their dimensions is not scored."
    ]
    machines: dict[str, list[str]] = {}
    for row in table.rows:
        if row.hardware is not None:
            machines.setdefault(row.hardware, []).append(row.name)
    lines += [f"Speed on {machine}: {', '.join(names)}." for machine, names in machines.items()]
    if len(machines) > 1:
        lines.append("Speeds of different machines do not compare.")
    lines += [f"{row.name}: {reason}." for row in table.rows for reason in row.reasons]
    printed = [row.name for row in table.rows if row.source == PAPER]
    if printed:
        lines.append(f"As printed in {PAPER}, not measured here: {', '.join(printed)}.")
    return [" ".join(line.split()) for line in lines]


def systems_csv(table: SystemTable) -> str:
    """Rows for programs: full numbers, empty where null, banner in every row."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for row in table.rows:
        speeds = (row.throughput, row.latency)
        scores = (row.quality, row.semantic, row.total)
        numbers = ["" if value is None else f"{value:.6g}" for value in speeds]
        numbers += ["" if value is None else f"{value:.6f}" for value in scores]
        names = (row.name, row.source, row.parameters or "", row.resolution or "")
        coverage = row.scored or ("", "")
        writer.writerow([*names, *numbers, *coverage, row.hardware or "", "; ".join(row.reasons), table.banner or ""])
    return text.getvalue()


def systems_markdown(table: SystemTable) -> str:
    """A Markdown table with its notes."""
    lines = [f"**{markdown_text(table.banner)}**\n"] if table.banner else []
    lines.append(markdown_line([column.heading for column in _COLUMNS]))
    lines.append(markdown_line(["---", *["---:"] * (len(_COLUMNS) - 1)]))
    lines += [markdown_line([markdown_text(column.cell(row)) for column in _COLUMNS]) for row in table.rows]
    return "\n".join([*lines, "", *(f"{markdown_text(note)}  " for note in system_notes(table))]) + "\n"


def systems_latex(table: SystemTable) -> str:
    r"""A booktabs ``tabular`` (needs ``\usepackage{booktabs}``) with its notes as comments."""
    lines = [f"% {note}" for note in system_notes(table)]
    lines += [rf"\begin{{tabular}}{{l{'r' * (len(_COLUMNS) - 1)}}}", r"\toprule"]
    if table.banner:
        lines.append(rf"\multicolumn{{{len(_COLUMNS)}}}{{l}}{{\textbf{{{latex_text(table.banner)}}}}} \\ \midrule")
    lines += [latex_line([latex_text(column.heading) for column in _COLUMNS]), r"\midrule"]
    sources: Sequence[str] = [row.source for row in table.rows]
    for index, row in enumerate(table.rows):
        if index and sources[index] != sources[index - 1]:
            lines.append(r"\midrule")
        lines.append(latex_line([latex_text(column.cell(row)) for column in _COLUMNS]))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _significant(value: float | None) -> str:
    return NO_VALUE if value is None else f"{value:.3g}"
