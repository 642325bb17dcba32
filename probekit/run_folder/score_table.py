"""The score table: one row for each video and dimension, in Parquet shards; null means unscored, never 0."""

from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from probekit.atomic_files import atomic_path, is_temporary
from probekit.errors import UserError
from probekit.run_folder.score_key import ScoreKey
from probekit.run_folder.score_range import RANGE_TOLERANCE

SCORES_FOLDER = "scores"
RATIO_TOLERANCE = 1e-9

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
KEY_COLUMNS: tuple[str, ...] = ScoreKey._fields

_NULLABLE = pa.schema([pa.field(field.name, field.type) for field in SCHEMA])
_KINDS: Mapping[pa.DataType, tuple[type, str]] = {
    _TEXT: (str, "a text"),
    _INTEGER: (Integral, "a whole number"),
    _NUMBER: (Real, "a number"),
}


_PLAIN: Mapping[pa.DataType, set[type]] = {
    _TEXT: {str, type(None)},
    _INTEGER: {int, type(None)},
    _NUMBER: {int, float, type(None)},
}
"""Types of a column whose values need no look one by one."""


class DamagedScores(UserError):
    """A Parquet file that cannot be read at all."""


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
    table = _table_of(rows, path)
    _check_rules(table, path)
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary)


def check_rows(rows: Iterable[ScoreRow], source: Path) -> None:
    """Refuse what `write_scores` would refuse, without writing. Raises UserError that begins with `source`."""
    _check_rules(_table_of(rows, source), source)


def _table_of(rows: Iterable[ScoreRow], source: Path) -> pa.Table:
    given = list(rows)
    columns = list(zip(*given, strict=True)) if given else [()] * len(SCHEMA)
    if not all(set(map(type, column)) <= _PLAIN[field.type] for field, column in zip(SCHEMA, columns, strict=True)):
        for row in given:
            _check_types(row, source)
    try:
        arrays = [pa.array(column, type=field.type) for field, column in zip(SCHEMA, columns, strict=True)]
    except (pa.ArrowException, OverflowError, UnicodeEncodeError) as error:
        raise UserError(f"{source}: a row cannot be stored ({' '.join(str(error).split())}).", "Correct it.") from error
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _check_types(row: ScoreRow, source: Path) -> None:
    """Refuse what Arrow would convert in silence: 1.7 to 1, True to 1."""
    cells = row._asdict()
    for field in SCHEMA:
        value, (kind, named) = cells[field.name], _KINDS[field.type]
        # NumPy's booleans are no numbers, Python's are.
        if value is not None and (isinstance(value, bool) or not isinstance(value, kind)):
            raise UserError(f"{source}: {field.name} = {value!r} is not {named} for {_name(cells)}.", "Correct it.")


def read_scores(path: Path) -> pd.DataFrame:
    """Read a Parquet file, a folder of them, or a folder with ``scores/*.parquet``, sorted by key.

    Nulls are NaN or None in the frame, as pandas has it: use ``isna``. Rows that several files repeat are kept once.

    Raises:
        UserError: There is no score, a file is damaged or has other columns, a value is NaN, infinite, outside its
            range or not the ratio of its numerator and denominator, a null has no reason, a denominator is not
            positive, two files contradict each other, or a dimension of a suite was scored by more than one scorer.
    """
    files = _score_files(path)
    merged: pd.DataFrame = pa.concat_tables([_read_file(file) for file in files]).to_pandas()
    merged = merged.drop_duplicates(ignore_index=True)
    repeated = merged[merged.duplicated(list(KEY_COLUMNS), keep=False)]
    if len(repeated):
        raise UserError(
            f"{path} holds different scores for {_name(repeated.iloc[0].to_dict())}.",
            "Delete the older shard, or score into another folder.",
        )
    _check_scorers(merged, path)
    return merged.sort_values(list(KEY_COLUMNS), ignore_index=True)


def score_rows(table: pd.DataFrame) -> list[ScoreRow]:
    """The rows of a frame from `read_scores` as they were written, with None for a null."""
    return [ScoreRow(*record) for record in table.astype(object).where(table.notna(), None).values.tolist()]


def _check_scorers(merged: pd.DataFrame, path: Path) -> None:
    scorers = merged[["suite", "dimension", "scorer_id"]].drop_duplicates().sort_values("scorer_id")
    mixed = scorers[scorers.duplicated(["suite", "dimension"], keep=False)]
    if len(mixed):
        suite, dimension, _ = mixed.iloc[0]
        same = mixed[(mixed["suite"] == suite) & (mixed["dimension"] == dimension)]
        raise UserError(
            f"{path} holds {dimension} scores of {suite} by more than one scorer: {', '.join(same['scorer_id'])}.",
            "Score the older videos again, or delete their scores.",
        )


def has_scores(run: Path) -> bool:
    """Whether a run folder has a file of scores; one whose scoring has just begun has none."""
    return bool(_files_in(run / SCORES_FOLDER))


def _files_in(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("*.parquet") if not is_temporary(file))


def _score_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    nested = path / SCORES_FOLDER
    files = _files_in(nested if nested.is_dir() else path)
    if not files:
        raise UserError(f"There is no score in {path}.", "Give a folder that `probekit score` wrote.")
    return files


def _read_file(path: Path) -> pa.Table:
    try:
        # Without partitioning=None a folder named a=b on the way would become a column.
        table = pq.read_table(path, partitioning=None)
        table.validate(full=True)  # texts that are no UTF-8 would only show when they are used
    except (pa.ArrowException, OSError) as error:
        raise DamagedScores(f"{path} is not a Parquet file, or is truncated.", "Score again.") from error
    wrong = set(table.schema.names) ^ set(COLUMNS)
    wrong |= {field.name for field in SCHEMA if field.name not in wrong and not _stores(table.schema, field)}
    if wrong:
        raise UserError(
            f"{path} is no score table of this version: see column {', '.join(sorted(wrong))}.",
            "Delete it and score again.",
        )
    table = table.select(list(COLUMNS)).cast(_NULLABLE)
    _check_rules(table, path)
    return table.cast(SCHEMA)


def _stores(schema: pa.Schema, field: pa.Field) -> bool:
    """Tell whether a column holds a field's type, if perhaps in the form in which pandas saves it."""
    found = schema.field(field.name).type
    as_pandas = found == pa.large_string() if field.type == _TEXT else False
    return found == field.type or as_pandas or (field.nullable and found == pa.null())


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
    silent = pc.and_(pc.is_null(table["value"]), pc.fill_null(_blank(table["reason"]), True))
    _refuse(table, silent, source, "value is null without a reason", "say why the video was not scored")
    _refuse(table, _blank(table["reason"]), source, "reason is blank", "say why, or leave it null")
    _refuse(table, _blank(table["video_sha256"]), source, "video_sha256 is empty", "give the hash of the video")
    _check_ratios(table, source)


def _blank(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(texts)), 0)


def _check_ratios(table: pa.Table, source: Path) -> None:
    lone = pc.xor(pc.is_null(table["numerator"]), pc.is_null(table["denominator"]))
    _refuse(table, lone, source, "one of numerator and denominator is null", "give both or neither")
    uncounted = pc.and_(pc.is_null(table["value"]), pc.is_valid(table["numerator"]))
    _refuse(table, uncounted, source, "value is null with a numerator", "give neither")
    negative = pc.less_equal(table["denominator"], 0.0)
    _refuse(table, negative, source, "denominator is not positive", "what cannot be counted is null with a reason")
    ratio = pc.divide(table["numerator"], table["denominator"])
    unequal = pc.greater(pc.abs(pc.subtract(table["value"], ratio)), RATIO_TOLERANCE)
    _refuse(table, unequal, source, "value is not numerator / denominator", "correct the scorer")


def _refuse(table: pa.Table, bad: pa.ChunkedArray, source: Path, problem: str, fix: str) -> None:
    index = pc.index(bad, True).as_py()
    if index >= 0:
        row = table.slice(index, 1).to_pylist()[0]
        raise UserError(f"{source}: {problem} (value {row['value']}) for {_name(row)}.", f"{fix}.")


def _name(row: Mapping[Any, Any]) -> str:
    return " ".join(str(row[name]) for name in KEY_COLUMNS)
