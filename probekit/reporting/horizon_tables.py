"""Tables of long-horizon diagnostics: Parquet and CSV for programs, Markdown for readers."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from probekit.atomic_files import atomic_path, write_text
from probekit.evaluation.long_horizon.detectors import Detection
from probekit.evaluation.long_horizon.diagnosis import VideoDiagnosis
from probekit.evaluation.long_horizon.frame_statistics import QUANTITIES
from probekit.reporting.cells import NO_VALUE, STAR
from probekit.reporting.horizon_record import ChangeRow, HorizonRecord

CURVE_COLUMNS = ("label", "prompt_id", "sample", "quantity", "unit", "second", "value")
SIMILARITY_COLUMNS = ("label", "prompt_id", "sample", "gap_seconds", "cosine", "ssim", "pairs")
DETECTION_COLUMNS = ("label", "prompt_id", "sample", *Detection._fields)

_UNITS = {quantity.name: quantity.unit for quantity in QUANTITIES}


def write_tables(record: HorizonRecord, out: Path) -> list[Path]:
    """Write ``curves``, ``similarity``, ``detections`` and ``changes`` as Parquet and CSV, and ``horizon.md``."""
    tables: dict[str, tuple[Sequence[str], list[tuple[Any, ...]]]] = {
        "curves": (CURVE_COLUMNS, list(curve_rows(record))),
        "similarity": (SIMILARITY_COLUMNS, list(similarity_rows(record))),
        "detections": (DETECTION_COLUMNS, list(detection_rows(record))),
        "changes": (ChangeRow._fields, [tuple(row) for row in record.changes]),
    }
    paths = []
    for name, (columns, rows) in tables.items():
        paths += [
            _write_parquet(out / f"{name}.parquet", columns, rows),
            _write_csv(out / f"{name}.csv", columns, rows),
        ]
    page = out / "horizon.md"
    write_text(page, to_markdown(record))
    return [*paths, page]


def curve_rows(record: HorizonRecord) -> Iterator[tuple[Any, ...]]:
    """One row a video, quantity and second."""
    for one in record.diagnoses:
        for name, values in one.seconds.items():
            for second, value in enumerate(values):
                yield (one.label, one.prompt_id, one.sample, name, _UNITS[name], second, float(value))


def similarity_rows(record: HorizonRecord) -> Iterator[tuple[Any, ...]]:
    """One row a video and gap."""
    for one in record.diagnoses:
        for gap in one.similarity:
            yield (one.label, one.prompt_id, one.sample, *gap)


def detection_rows(record: HorizonRecord) -> Iterator[tuple[Any, ...]]:
    """One row a video and detector."""
    for one in record.diagnoses:
        for found in one.detections:
            yield (one.label, one.prompt_id, one.sample, *found)


def to_markdown(record: HorizonRecord) -> str:
    """What fired where, and what changed; both tables say how many videos and prompts stand behind them."""
    return "\n".join([*_detector_lines(record.diagnoses), "", *_change_lines(record), ""])


def _detector_lines(diagnoses: Sequence[VideoDiagnosis]) -> Iterator[str]:
    names = [found.detector for found in diagnoses[0].detections]
    yield _line(["video", *(f"{name} ({_threshold(diagnoses[0], name)})" for name in names)])
    yield _line(["---"] * (len(names) + 1))
    for one in sorted(diagnoses, key=lambda one: (one.prompt_id, one.sample)):
        yield _line([f"{one.prompt_id} {one.sample}, {one.label}", *map(_detector_cell, one.detections)])
    yield ""
    yield "**Bold**: the detector fired, its statistic reaches the threshold in the heading."


def _threshold(one: VideoDiagnosis, name: str) -> str:
    found = next(found for found in one.detections if found.detector == name)
    return f"≥ {found.threshold:g} {found.unit}"


def _detector_cell(found: Detection) -> str:
    if found.statistic is None:
        return f"{NO_VALUE}: {found.where}"
    return f"**{found.statistic:.2f}**: {found.where}" if found.fired else f"{found.statistic:.2f}"


def _change_lines(record: HorizonRecord) -> Iterator[str]:
    window = f"{record.settings.window:g} s"
    yield _line(["quantity", "of", f"first {window}", f"last {window}", "change", "95 % interval", "prompts"])
    yield _line(["---", "---", *["---:"] * 5])
    for row in record.changes:
        of = row.label if row.baseline is None else f"{row.label} - {row.baseline}"
        ends = [_number(value) for value in (row.first, row.last)] if row.baseline is None else ["", ""]
        change = NO_VALUE if row.change is None else f"{row.change:+.4g}{STAR if row.star else ''}"
        yield _line([row.quantity.replace("_", " "), of, *ends, change, _interval(row), str(row.n_prompts)])
    yield ""
    yield (
        f"Paired bootstrap over prompts, {record.replicates} replicates, seed {record.seed}; {STAR} the interval "
        "excludes 0. Units: " + ", ".join(f"{q.name.replace('_', ' ')} in {q.unit}" for q in QUANTITIES) + "."
    )


def _interval(row: ChangeRow) -> str:
    if row.low is None or row.high is None:
        return NO_VALUE if row.reason is None else row.reason
    return f"[{row.low:+.4g}, {row.high:+.4g}]"


def _number(value: float | None) -> str:
    return NO_VALUE if value is None else f"{value:.4g}"


def _line(cells: Sequence[str]) -> str:
    escaped = [cell.replace("|", "\\|").replace("\n", " ") for cell in cells]
    return f"| {' | '.join(escaped)} |"


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Path:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([[f"{cell:.6g}" if isinstance(cell, float) else cell for cell in row] for row in rows])
    write_text(path, text.getvalue())
    return path


def _write_parquet(path: Path, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Path:
    import pyarrow
    import pyarrow.parquet

    data = {column: [row[index] for row in rows] for index, column in enumerate(columns)}
    with atomic_path(path) as temporary:
        pyarrow.parquet.write_table(pyarrow.table(data), temporary)
    return path
