"""Rows of a user's file, whatever its kind: lines of text, CSV, TSV, JSON, JSON lines or Parquet.

The kind follows from the name, in any letter case, and from the content where the name leaves it open. A row that is
not legal says so itself: some readers stop there, others go on with the rest.
"""

import csv
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from probekit.errors import UserError
from probekit.user_files.content import PARQUET, read_content
from probekit.user_files.json_records import LINE, Fields, records_of_json, records_of_json_lines
from probekit.user_files.parquet_records import records_of_parquet
from probekit.user_files.text import decode, lines_of

Kind = Literal["lines", "csv", "tsv", "json", "jsonl", "parquet"]

SUFFIXES: Final[Mapping[str, Kind]] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".txt": "lines",
}
KINDS: Final = ".txt, .csv, .tsv, .json, .jsonl or .parquet"
_NOTES: Final = frozenset(
    (".md", ".markdown", ".rst", ".yaml", ".yml", ".toml", ".ini", ".py", ".ipynb", ".log", ".tex", ".html")
)
_EXACT: Final = 2.0**53
"""Below it a float says which integer it is: columns of integers with gaps are stored as floats."""
_MARKS: Final = {",": "commas", ";": "semicolons", "\t": "tabs"}
_HEADER_CELL: Final = re.compile(r"[\w .-]{1,40}")


class Record(NamedTuple):
    """One row.

    Attributes:
        place: name of the row in its file, such as "line 3".
        fields: values by column; for lines of text and lists of texts the one column `LINE`.
        fault: what is wrong with the row, without its place; None for a legal row.
        fix: advice for a fault.
    """

    place: str
    fields: Mapping[str, Any]
    fault: str | None = None
    fix: str = "Mend that row."

    def text(self, column: str) -> str:
        """The text in a column, without white space around it; empty where there is none.

        Raises:
            UserError: The row is not legal, or the value is no text and no number; the message begins with the place.
        """
        if self.fault is not None:
            raise UserError(f"{self.place}: {self.fault}.", self.fix)
        if column != LINE and LINE in self.fields:
            raise UserError(f"{self.place}: it is a text where an object is needed.", f"Write {{{column!r}: ...}}.")
        value = self.fields.get(column)
        if value is None or value != value:  # a missing number of a table is NaN
            return ""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise UserError(f"{self.place}: {_shown(column)} is {_kind_of(value)}, not a text.", "Write a text there.")
        whole = isinstance(value, float) and value.is_integer() and abs(value) < _EXACT
        return str(int(value) if whole else value).strip()

    def number(self, column: str, fix: str) -> float | None:
        """The number in a column; None where it is empty.

        Args:
            column: name of the column.
            fix: advice for a text in its place.

        Raises:
            UserError: as `text`, or a text stands there.
        """
        text = self.text(column)
        try:
            return float(text) if text else None
        except ValueError as error:
            raise UserError(f"{self.place}: {column} is {text!r}, not a number.", fix) from error


class Table(NamedTuple):
    """A file in rows.

    Attributes:
        path: place of the file.
        columns: names of the columns in small letters, in order.
        records: rows in order.
    """

    path: Path
    columns: tuple[str, ...]
    records: list[Record]

    def column(self, names: Collection[str]) -> str:
        """The first of several columns that the table has; `LINE` where it has no columns.

        Raises:
            UserError: The table has none of them; the message lists what it has.
        """
        if self.columns == (LINE,):
            return LINE
        for name in names:
            if name in self.columns:
                return name
        what = f"no column {next(iter(names))}" if len(names) == 1 else f"none of the columns {', '.join(names)}"
        has = ", ".join(map(_shown, self.columns)) or "none"
        raise UserError(f"{self.path} has {what}; it has {has}.", f"Name the column `{next(iter(names))}`.")

    def at(self, error: UserError) -> UserError:
        """The error of a row with the name of the file in front."""
        return UserError(f"{self.path}, {error.problem}", error.fix)


def is_table_name(path: Path) -> bool:
    """Tell by its name whether a file is a table: every kind but lines of text."""
    return SUFFIXES.get(path.suffix.lower(), "lines") != "lines"


def read_table(path: Path, *, what: str, fix: str, columns: Collection[str], lines: bool = False) -> Table:
    """Read a user's table.

    Args:
        path: place of the file.
        what: name of the kind of file in messages.
        fix: advice where there is no such file, or it is of no kind that can be read.
        columns: names of the columns that matter, in small letters; others may be left out.
        lines: whether one entry per line is legal.

    Raises:
        UserError: As `read_content`, the text is not UTF-8, or the file is no table of its kind.
    """
    if path.suffix.lower() in _NOTES:
        raise UserError(f"{path} is a {path.suffix} file, not a {what}.", fix)
    content = read_content(path, what=what, fix=fix)
    if content.startswith(PARQUET):
        names, found = records_of_parquet(content, path, columns)
        return _table(path, names, found, "row")
    if SUFFIXES.get(path.suffix.lower()) == "parquet":
        raise UserError(f"{path} is not a Parquet file.", "Copy the file again.")
    text = decode(content, path)
    kind = _kind(path, text, columns)
    match kind:
        case "json":
            return _table(path, *records_of_json(text, path, columns), "entry")
        case "jsonl":
            return _table(path, *records_of_json_lines(text, path), "line")
        case "csv" | "tsv":
            return _delimited(path, text, "\t" if kind == "tsv" else _delimiter(text))
        case _ if not lines:
            raise UserError(f"{path} is no table.", fix)
    return Table(path, (LINE,), [Record(f"line {line.number}", {LINE: line.text}) for line in lines_of(text, path)])


def _kind(path: Path, text: str, columns: Collection[str]) -> Kind:
    """The kind of a text by its name, else by how it begins."""
    named = SUFFIXES.get(path.suffix.lower(), "lines")
    begins, first = "".join(text[:200].split()), text.lstrip().partition("\n")[0].strip()
    if named == "jsonl" and begins.startswith("["):
        return "json"
    if named != "lines":
        return named
    if begins.startswith(("[{", '["', "{}", '{"')):
        return "jsonl" if first.startswith("{") and first.endswith("}") else "json"
    for delimiter, kind in ((",", "csv"), ("\t", "tsv")):
        cells = [cell.strip().lower() for cell in first.split(delimiter)]
        if len(cells) > 1 and set(cells) & set(columns) and all(map(_HEADER_CELL.fullmatch, cells)):
            return "csv" if kind == "csv" else "tsv"
    if first.lower() in columns:
        raise UserError(
            f"{path}: its first line {first!r} is the name of a column.",
            "Delete that line, or give the file the suffix .csv.",
        )
    return "lines"


def _delimiter(text: str) -> str:
    """What parts the cells of a CSV: spreadsheets of some countries write semicolons or tabs."""
    first = text.lstrip().partition("\n")[0]
    return next((mark for mark in ",;\t" if mark in first), ",")


def _delimited(path: Path, text: str, delimiter: str) -> Table:
    lines = (f"{line}\n" for line in text.split("\n"))
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    rows: list[tuple[int, list[str]]] = []
    before = 0
    try:
        for cells in reader:
            rows += [(reader.line_num, cells)] if cells else []
            before = reader.line_num
    except csv.Error as error:
        raise UserError(
            f"{path} is not a CSV table: {_csv_fault(str(error), before + 1)}.", "Mend that line."
        ) from error
    header = [name.strip().lower() for name in rows[0][1]] if rows else []
    for name, count in Counter(header).items():
        if name and count > 1:
            raise UserError(f"{path}: the column {name!r} stands there {count} times.", "Give every column one name.")
    return Table(path, tuple(header), [_row(number, cells, header, delimiter) for number, cells in rows[1:]])


def _row(number: int, cells: list[str], header: list[str], delimiter: str) -> Record:
    place = f"line {number}"
    if len(cells) > len(header):
        fix = f"Put texts with {_MARKS[delimiter]} into double quotes."
    else:
        fix = f"Write as many cells as the header has, parted by {_MARKS[delimiter]}."
    if len(cells) != len(header):
        cell = "cell" if len(cells) == 1 else "cells"
        return Record(place, {}, f"it has {len(cells)} {cell} for {len(header)} columns", fix)
    return Record(place, dict(zip(header, cells, strict=True)))


def _csv_fault(reason: str, line: int) -> str:
    if reason.startswith("field larger than"):
        return f"line {line}: a cell has more than {csv.field_size_limit():,} characters; is a quote missing"
    if reason.startswith("unexpected end"):
        return f"line {line}: a quoted text has no end"
    if "expected after" in reason:
        return f"line {line}: text stands after a closing quote; inside a text a quote is written twice"
    if "new-line character" in reason:
        return f"line {line}: a carriage return (\\r) ends no line"
    return f"line {line}: {reason}"


def _table(path: Path, columns: tuple[str, ...], found: Iterator[Fields] | list[Fields], unit: str) -> Table:
    return Table(path, columns, [Record(f"{unit} {each.number}", each.values, each.fault) for each in found])


def _shown(column: str) -> str:
    return column or "''"


def _kind_of(value: object) -> str:
    names: dict[type, str] = {bool: "true or false", list: "a list", dict: "an object", bytes: "bytes"}
    return names.get(type(value), f"a {type(value).__name__}")
