"""Readout scores as CSV (one row a metric) and as Markdown (one row a readout)."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from probekit.atomic_files import write_text
from probekit.probing.published_readouts import ReadoutRow

_SIZE_COLUMNS = ("size (px)", "future frame (px)", "resampled")


def write_readout_csv(path: Path, rows: Sequence[ReadoutRow]) -> None:
    """Write all fields of all rows; a value that is None is an empty cell, its reason stands beside it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(ReadoutRow._fields)
    writer.writerows(rows)
    write_text(path, text.getvalue())


def readout_markdown(rows: Sequence[ReadoutRow]) -> str:
    """Return a Markdown table, one row a readout: metrics with units, sizes, resampling; metric ids stand below it."""
    metrics = {row.metric_id: row for row in rows}
    header = ["prompt", "chunks ahead", "readout", *map(_title, metrics.values()), *_SIZE_COLUMNS]
    images: dict[tuple[str, int, str], dict[str, ReadoutRow]] = {}
    for row in rows:
        images.setdefault((row.prompt_id, row.horizon_chunks, row.readout), {})[row.metric_id] = row
    body = [_cells(scores, list(metrics)) for scores in images.values()]
    table = "\n".join(_line(cells) for cells in [header, ["---"] * len(header), *body])
    return f"{table}\n\nMetrics, in the order of the columns: {', '.join(metrics)}.\n"


def write_readout_markdown(path: Path, rows: Sequence[ReadoutRow]) -> None:
    """Write `readout_markdown` to a file."""
    write_text(path, readout_markdown(rows))


def _title(row: ReadoutRow) -> str:
    return row.metric if row.unit == "1" else f"{row.metric} ({row.unit})"


def _cells(scores: dict[str, ReadoutRow], metric_ids: Sequence[str]) -> list[str]:
    row = next(iter(scores.values()))
    values = [_value(scores[metric_id]) if metric_id in scores else "" for metric_id in metric_ids]
    sizes = [f"{row.width}x{row.height}", f"{row.future_width}x{row.future_height}", row.resize]
    return [row.prompt, str(row.horizon_chunks), row.readout, *values, *sizes]


def _value(row: ReadoutRow) -> str:
    if row.value is None:
        return f"none ({row.reason})"
    return f"{row.value:.2f}" if row.unit == "dB" else f"{row.value:.4f}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
