"""Score published probe readouts: images listed in a CSV, against the future frames listed beside them.

The CSV has one row an image: `file` (relative to the CSV), `prompt_id`, `prompt`, `horizon_chunks` (how many chunks
ahead, 12 RGB frames each for Wan), `kind`. Kind "future frame" is the reference, "current frame" the copy control,
every other kind a readout. All readouts of a prompt and horizon share one future frame: where it comes from the rollout
of one of the models, the others are judged on a future that they would not have generated.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from probekit.errors import UserError
from probekit.evaluation.reference.frame_arrays import Frames, Resampling
from probekit.evaluation.reference.metrics import ReferenceMetric
from probekit.media.image_files import read_image
from probekit.probing.readout_metrics import ReadoutScore, pixel_readout_metrics, readout_scores

COLUMNS = ("file", "prompt_id", "prompt", "horizon_chunks", "kind")
FUTURE = "future frame"
CURRENT = "current frame"
COPY_CONTROL = "copy of the current frame"


class ReadoutImage(NamedTuple):
    """One row of the CSV; `file` as listed, `path` resolved against the CSV's folder."""

    file: str
    path: Path
    prompt_id: str
    prompt: str
    horizon_chunks: int
    kind: str


class ReadoutRow(NamedTuple):
    """One metric of one image against the future frame; sizes in px as stored, `resize` is "none" where they agree."""

    prompt_id: str
    prompt: str
    horizon_chunks: int
    readout: str
    file: str
    metric: str
    metric_id: str
    unit: str
    value: float | None
    reason: str | None
    width: int
    height: int
    future_width: int
    future_height: int
    resize: str


def read_readout_images(path: Path) -> tuple[ReadoutImage, ...]:
    """Read the CSV.

    Raises:
        UserError: missing file or column, no CSV, no rows, a horizon that is no positive integer, or a kind listed
            twice for one prompt and horizon.
    """
    if not path.is_file():
        raise UserError(f"The readout table {path} does not exist.", "Give the path of a CSV with one row an image.")
    try:
        images = _images(path)
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not a CSV in UTF-8 ({error}).", "Give a CSV with one row an image.") from error
    if not images:
        raise UserError(f"{path} lists no image.", "Add one row an image.")
    _require_unique(path, images)
    return images


def _images(table: Path) -> tuple[ReadoutImage, ...]:
    with table.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, restval="")
        missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
        if missing:
            raise UserError(f"{table} lacks the column(s) {', '.join(missing)}.", f"Give it {', '.join(COLUMNS)}.")
        return tuple(_image(table, reader.line_num, row) for row in reader)


def _image(table: Path, line: int, row: dict[str, str]) -> ReadoutImage:
    empty = [column for column in COLUMNS if not row[column].strip()]
    if empty:
        raise UserError(f"{table} line {line}: {', '.join(empty)} is empty.", "Fill the field in.")
    horizon = row["horizon_chunks"].strip()
    if not (horizon.isascii() and horizon.isdigit() and int(horizon) > 0):
        raise UserError(f"{table} line {line}: horizon_chunks is {horizon!r}.", "Give a positive whole number.")
    values = {column: row[column].strip() for column in COLUMNS}
    return ReadoutImage(
        file=values["file"],
        path=table.parent / values["file"],
        prompt_id=values["prompt_id"],
        prompt=values["prompt"],
        horizon_chunks=int(horizon),
        kind=values["kind"],
    )


def _require_unique(table: Path, images: Sequence[ReadoutImage]) -> None:
    seen: set[tuple[str, int, str]] = set()
    for image in images:
        key = (image.prompt_id, image.horizon_chunks, image.kind)
        if key in seen:
            raise UserError(f"{table} lists {image.kind!r} of {key[0]} at horizon {key[1]} twice.", "Keep one of them.")
        seen.add(key)


def score_published_readouts(
    path: Path, metrics: Sequence[ReferenceMetric] | None = None, *, resize: Resampling | None = "bicubic"
) -> tuple[ReadoutRow, ...]:
    """Score every image of the CSV at `path` against the future frame of its prompt and horizon.

    Args:
        path: the CSV.
        metrics: None scores mse and psnr.
        resize: filter that brings an image to the future frame's size where they differ (each row states it); None
            refuses different sizes.

    Returns:
        Rows in the order of the prompts and horizons in the file; readouts first, the copy control after them.

    Raises:
        UserError: see `read_readout_images`; also a missing future frame, or an image that cannot be read.
    """
    chosen = pixel_readout_metrics() if metrics is None else metrics
    groups: dict[tuple[str, int], list[ReadoutImage]] = {}
    for image in read_readout_images(path):
        groups.setdefault((image.prompt_id, image.horizon_chunks), []).append(image)
    return tuple(row for group in groups.values() for row in _score_group(path, group, chosen, resize))


def _score_group(
    table: Path, group: Sequence[ReadoutImage], metrics: Sequence[ReferenceMetric], resize: Resampling | None
) -> list[ReadoutRow]:
    references = [image for image in group if image.kind == FUTURE]
    if not references:
        where = f"{group[0].prompt_id} at horizon {group[0].horizon_chunks}"
        raise UserError(f"{table} has no {FUTURE!r} for {where}.", "Add its row, or remove the other images of it.")
    future = read_image(references[0].path)
    rows = []
    for image in sorted((image for image in group if image.kind != FUTURE), key=lambda image: image.kind == CURRENT):
        pixels = read_image(image.path)
        scores = readout_scores(pixels, future, metrics, resize=resize)
        rows += [_row(image, score, pixels, future, resize) for score in scores]
    return rows


def _row(
    image: ReadoutImage, score: ReadoutScore, pixels: Frames, future: Frames, resize: Resampling | None
) -> ReadoutRow:
    return ReadoutRow(
        prompt_id=image.prompt_id,
        prompt=image.prompt,
        horizon_chunks=image.horizon_chunks,
        readout=COPY_CONTROL if image.kind == CURRENT else image.kind,
        file=image.file,
        **score._asdict(),
        width=pixels.shape[1],
        height=pixels.shape[0],
        future_width=future.shape[1],
        future_height=future.shape[0],
        resize=resize if resize is not None and pixels.shape != future.shape else "none",
    )
