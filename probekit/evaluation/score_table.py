"""The score table: one row for each video and dimension, in Parquet shards; null means unscored, never 0."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from probekit.atomic_files import atomic_path, is_temporary
from probekit.errors import UserError

SCORES_FOLDER = "scores"
RANGE_TOLERANCE = 1e-9

_TEXT, _INTEGER, _NUMBER = pa.string(), pa.int64(), pa.float64()

SCHEMA = pa.schema(
    [
        pa.field("model", _TEXT, nullable=False),
        pa.field("training_run", _TEXT, nullable=False),
        pa.field("suite", _TEXT, nullable=False),
        pa.field("horizon", _TEXT, nullable=False),
        pa.field("prompt_id", _TEXT, nullable=False),
        pa.field("sample", _INTEGER, nullable=False),
        pa.field("clip", _INTEGER, nullable=False),
        pa.field("dimension", _TEXT, nullable=False),
        pa.field("value", _NUMBER),
        pa.field("numerator", _NUMBER),
        pa.field("denominator", _NUMBER),
        pa.field("reason", _TEXT),
        pa.field("unit", _TEXT, nullable=False),
        pa.field("range_low", _NUMBER, nullable=False),
        pa.field("range_high", _NUMBER, nullable=False),
        pa.field("scorer_id", _TEXT, nullable=False),
        pa.field("video_sha256", _TEXT, nullable=False),
    ]
)
COLUMNS: tuple[str, ...] = tuple(SCHEMA.names)
KEY_COLUMNS: tuple[str, ...] = COLUMNS[: COLUMNS.index("value")]


class ScoreRow(NamedTuple):
    """The score of one video (or clip of it) in one dimension."""

    model: str
    training_run: str
    suite: str
    horizon: str
    prompt_id: str
    sample: int
    clip: int
    dimension: str
    value: float | None
    """The raw score; None where the video could not be scored in this dimension."""
    numerator: float | None
    """With `denominator`: for dimensions that are pooled as a ratio of sums instead of a mean of values."""
    denominator: float | None
    reason: str | None
    """Why `value` is None."""
    unit: str
    range_low: float
    range_high: float
    scorer_id: str
    """Name, weights hash and preprocessing version of the scorer."""
    video_sha256: str


def write_scores(path: Path, rows: Iterable[ScoreRow]) -> None:
    """Write rows to one Parquet file, atomically.

    Raises:
        UserError: A row breaks a rule of the table (see `read_scores`), or the file cannot be written.
    """
    table = pa.Table.from_pylist([row._asdict() for row in rows], schema=SCHEMA)
    _check_rules(table, path)
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary)


def read_scores(path: Path) -> pd.DataFrame:
    """Read a Parquet file, a folder of them, or a folder with ``scores/*.parquet``, sorted by key.

    Nulls are NaN or None in the frame, as pandas has it: use ``isna``. Rows that several files repeat are kept once.

    Raises:
        UserError: There is no score, a file is damaged or has other columns, a value is NaN, infinite or outside
            its range, a null has no reason, or two files contradict each other.
    """
    files = _score_files(path)
    merged: pd.DataFrame = pa.concat_tables([_read_file(file) for file in files]).to_pandas()
    merged = merged.drop_duplicates(ignore_index=True)
    repeated = merged[merged.duplicated(list(KEY_COLUMNS), keep=False)]
    if len(repeated):
        raise UserError(
            f"{path} holds different scores for {_name(repeated.iloc[0].to_dict())}.",
            "delete the older shard, or score into another folder.",
        )
    return merged.sort_values(list(KEY_COLUMNS), ignore_index=True)


def _score_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    nested = path / SCORES_FOLDER
    folder = nested if nested.is_dir() else path
    files = sorted(file for file in folder.glob("*.parquet") if not is_temporary(file))
    if not files:
        raise UserError(f"There is no score in {path}.", "give a folder that `probekit score` wrote.")
    return files


def _read_file(path: Path) -> pa.Table:
    try:
        # Without partitioning=None a folder named a=b on the way would become a column.
        table = pq.read_table(path, partitioning=None)
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{path} is not a Parquet file, or is truncated.", "delete it and score again.") from error
    found = {field.name: field.type for field in table.schema}
    expected = {field.name: field.type for field in SCHEMA}
    wrong = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
    if wrong:
        raise UserError(
            f"{path} is no score table of this version: see column {', '.join(wrong)}.", "delete it and score again."
        )
    _check_rules(table, path)
    return table.select(list(COLUMNS)).cast(SCHEMA)


def _check_rules(table: pa.Table, source: Path) -> None:
    for name in ("value", "numerator", "denominator"):
        finite = pc.fill_null(pc.is_finite(table[name]), True)
        _refuse(table, pc.invert(finite), source, f"{name} is not finite", "a failed score is null with a reason")
    for name in ("range_low", "range_high"):  # an open range may end at infinity
        _refuse(table, pc.is_nan(table[name]), source, f"{name} is NaN", "give the scorer a range")
    for field in SCHEMA:
        if not field.nullable:
            _refuse(table, pc.is_null(table[field.name]), source, f"{field.name} is null", "fill it")
    low, high = pc.subtract(table["range_low"], RANGE_TOLERANCE), pc.add(table["range_high"], RANGE_TOLERANCE)
    outside = pc.or_(pc.less(table["value"], low), pc.greater(table["value"], high))
    _refuse(table, pc.fill_null(outside, False), source, "value is outside its range", "correct the scorer's range")
    has_reason = pc.fill_null(pc.greater(pc.utf8_length(table["reason"]), 0), False)
    silent = pc.and_(pc.is_null(table["value"]), pc.invert(has_reason))
    _refuse(table, silent, source, "value is null without a reason", "say why the video was not scored")
    lone = pc.xor(pc.is_null(table["numerator"]), pc.is_null(table["denominator"]))
    _refuse(table, lone, source, "one of numerator and denominator is null", "give both or neither")


def _refuse(table: pa.Table, bad: pa.ChunkedArray, source: Path, problem: str, fix: str) -> None:
    index = pc.index(bad, True).as_py()
    if index >= 0:
        row = table.slice(index, 1).to_pylist()[0]
        raise UserError(f"{source}: {problem} (value {row['value']}) for {_name(row)}.", f"{fix}.")


def _name(row: Mapping[Any, Any]) -> str:
    return " ".join(str(row[name]) for name in KEY_COLUMNS)
