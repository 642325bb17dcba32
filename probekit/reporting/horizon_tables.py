"""Tables of long-horizon diagnostics: Parquet and CSV for programs, Markdown for readers."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from probekit.atomic_files import atomic_path, write_text
from probekit.evaluation.long_horizon.detectors import Detection
from probekit.evaluation.long_horizon.diagnosis import VideoDiagnosis
from probekit.evaluation.long_horizon.frame_statistics import QUANTITIES
from probekit.reporting.cells import NO_VALUE, STAR, difference_text, interval_notes, interval_text, score_text
from probekit.reporting.horizon_record import ChangeRow, HorizonRecord
from probekit.reporting.table import Column, Strong, Table, fields

CURVE_COLUMNS: Final = ("label", "prompt_id", "sample", "quantity", "unit", "second", "value")
SIMILARITY_COLUMNS: Final = ("label", "prompt_id", "sample", "gap_seconds", "cosine", "ssim", "pairs")
DETECTION_COLUMNS: Final = ("label", "prompt_id", "sample", *Detection._fields)

_DIGITS: Final = ".6g"
_READ: Final = ".4g"
"""Format of numbers in their own units for readers."""

_UNITS: Final = {quantity.name: quantity.unit for quantity in QUANTITIES}


def write_tables(record: HorizonRecord, out: Path) -> list[Path]:
    """Write ``curves``, ``similarity``, ``detections`` and ``changes`` as Parquet and CSV, and ``horizon.md``."""
    tables: dict[str, tuple[Sequence[str], list[tuple[Any, ...]]]] = {
        "curves": (CURVE_COLUMNS, list(curve_rows(record))),
        "similarity": (SIMILARITY_COLUMNS, list(similarity_rows(record))),
        "detections": (DETECTION_COLUMNS, list(detection_rows(record))),
        "changes": (ChangeRow._fields, [tuple(row) for row in record.changes]),
    }
    paths = []
    for name, (names, rows) in tables.items():
        paths += [out / f"{name}.parquet", out / f"{name}.csv"]
        _write_parquet(paths[-2], names, rows)
        write_text(paths[-1], Table(fields(names), rows, digits=_DIGITS).csv())
    page = out / "horizon.md"
    write_text(page, horizon_markdown(record))
    return [*paths, page]


def curve_rows(record: HorizonRecord) -> Iterator[tuple[Any, ...]]:
    """One row per video, quantity and second."""
    for one in record.diagnoses:
        for name, values in one.seconds.items():
            for second, value in enumerate(values):
                yield (one.label, one.prompt_id, one.sample, name, _UNITS[name], second, float(value))


def similarity_rows(record: HorizonRecord) -> Iterator[tuple[Any, ...]]:
    """One row per video and gap."""
    for one in record.diagnoses:
        for gap in one.similarity:
            yield (one.label, one.prompt_id, one.sample, *gap)


def detection_rows(record: HorizonRecord) -> Iterator[tuple[Any, ...]]:
    """One row per video and detector."""
    for one in record.diagnoses:
        for found in one.detections:
            yield (one.label, one.prompt_id, one.sample, *found)


def horizon_markdown(record: HorizonRecord) -> str:
    """What fired where, and what changed; both tables say how many videos and prompts stand behind them."""
    return f"{detector_table(record.diagnoses).markdown()}\n{change_table(record).markdown()}"


def detector_table(diagnoses: Sequence[VideoDiagnosis]) -> Table[VideoDiagnosis]:
    """One row per video, one column per detector; a detector that fired stands out."""
    video = Column[VideoDiagnosis]("video", lambda one: f"{one.prompt_id} {one.sample}, {one.label}")
    return Table(
        [video, *(_detector_column(index, found) for index, found in enumerate(diagnoses[0].detections))],
        sorted(diagnoses, key=lambda one: (one.prompt_id, one.sample)),
        ["Bold: the detector fired; its statistic reaches the threshold in the heading."],
    )


def fired_shares(diagnoses: Sequence[VideoDiagnosis]) -> Iterator[str]:
    """For each detector a line: on how many of the videos long enough for it it fired."""
    for said in zip(*(one.detections for one in diagnoses), strict=True):
        able = [found for found in said if found.statistic is not None]
        yield f"{said[0].detector}: fired on {sum(found.fired for found in able)} of {len(able)} videos"


def _detector_column(index: int, example: Detection) -> Column[VideoDiagnosis]:
    heading = f"{example.detector} (≥ {example.threshold:g} {example.unit})"
    return Column(heading, lambda one: _detector_cell(one.detections[index]))


def _detector_cell(found: Detection) -> str:
    if found.statistic is None:
        return f"{NO_VALUE}: {found.where}"
    return Strong(f"{found.statistic:.2f}: {found.where}") if found.fired else f"{found.statistic:.2f}"


def change_table(record: HorizonRecord) -> Table[ChangeRow]:
    """Means of the first and last seconds and their difference, quantity by quantity."""
    window = f"{record.settings.window:g} s"
    units = ", ".join(f"{quantity.name.replace('_', ' ')} in {quantity.unit}" for quantity in QUANTITIES)
    kinds = [(row.quantity.replace("_", " "), row.interval, row.instead, row.reason) for row in record.changes]
    notes = [
        f"Paired bootstrap over prompts, percentile interval, {record.replicates} replicates, seed {record.seed}; "
        f"{STAR} the interval excludes 0. Units: {units}.",
        *interval_notes(kinds),
    ]
    columns: list[Column[ChangeRow]] = [
        Column("quantity", lambda row: row.quantity.replace("_", " ")),
        Column("of", lambda row: row.label if row.baseline is None else f"{row.label} - {row.baseline}"),
        Column(f"first {window}", lambda row: _end(row, row.first), True),
        Column(f"last {window}", lambda row: _end(row, row.last), True),
        Column("change", lambda row: difference_text(row.change, _READ, star=row.star), True),
        Column("95% interval", lambda row: interval_text(row.low, row.high, _READ), True),
        Column("prompts", lambda row: row.n_prompts, True),
    ]
    return Table(columns, record.changes, notes)


def _end(row: ChangeRow, value: float | None) -> str:
    """Empty for a difference of changes, which has no ends of its own."""
    return score_text(value, _READ) if row.baseline is None else ""


def _write_parquet(path: Path, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    import pyarrow
    import pyarrow.parquet

    data = {name: [row[index] for row in rows] for index, name in enumerate(names)}
    with atomic_path(path) as temporary:
        pyarrow.parquet.write_table(pyarrow.table(data), temporary)
