"""Score published probe readouts: images listed in a table, against the future frames listed beside them.

The table has one row per image: `file` (relative to the table), `prompt_id`, `prompt`, `horizon_chunks` (chunks ahead,
12 RGB frames each for Wan), `kind`. Kind "future frame" is the reference, "current frame" the copy control,
every other kind a readout. All readouts of a prompt and horizon share one future frame: where it comes from the rollout
of one of the models, the others are judged on a future that they would not have generated.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from probekit.errors import UserError
from probekit.evaluation.reference.frame_arrays import Frames, Resampling
from probekit.evaluation.reference.metrics import ReferenceMetric
from probekit.media.image_files import read_image
from probekit.probing.readout_metrics import ReadoutScore, pixel_readout_metrics, readout_scores
from probekit.user_files.tables import Record, read_table

COLUMNS = ("file", "prompt_id", "prompt", "horizon_chunks", "kind")
FUTURE = "future frame"
CURRENT = "current frame"
COPY_CONTROL = "copy of the current frame"

_HORIZON: Final = re.compile(r"0*[1-9][0-9]{0,5}")


class ReadoutImage(NamedTuple):
    """One row of the table; `file` as listed, `path` resolved against the table's folder."""

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
    """Read the table.

    Args:
        path: CSV, TSV, JSON, JSON lines or Parquet.

    Raises:
        UserError: missing file or column, no table, no rows, an illegal row, a horizon that is no positive integer, or
            a kind listed twice for one prompt and horizon.
    """
    table = read_table(path, what="readout table", fix="Give a table with one row per image.", columns=COLUMNS)
    missing = [column for column in COLUMNS if column not in table.columns]
    if missing:
        raise UserError(f"{path} lacks the column(s) {', '.join(missing)}.", f"Give it {', '.join(COLUMNS)}.")
    if not table.records:
        raise UserError(f"{path} lists no image.", "Add one row per image.")
    images = []
    for record in table.records:
        try:
            images.append(_image(path, record))
        except UserError as error:
            raise table.at(error) from error
    _require_unique(path, images)
    return tuple(images)


def _image(table: Path, record: Record) -> ReadoutImage:
    values = {column: record.text(column) for column in COLUMNS}
    empty = [column for column in COLUMNS if not values[column]]
    if empty:
        raise UserError(f"{record.place}: {', '.join(empty)} is empty.", "Fill the field in.")
    horizon = values["horizon_chunks"]
    if not _HORIZON.fullmatch(horizon):
        raise UserError(f"{record.place}: horizon_chunks is {horizon!r}.", "Give a positive whole number.")
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
    """Score every image of the table at `path` against the future frame of its prompt and horizon.

    Args:
        path: the table.
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
