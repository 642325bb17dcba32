"""Tables that other commands wrote, read with care: what a page shows of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from probekit.errors import UserError
from probekit.reporting.table import Cell, Column, Table
from probekit.user_files.tables import read_table

if TYPE_CHECKING:
    import pandas as pd

_FIX: Final = "Give a folder that this version of the command wrote."


def result_rows(path: Path, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Rows by column; a CSV's values are texts.

    Args:
        path: path of a CSV or Parquet file.
        columns: names that it needs, in small letters.

    Raises:
        UserError: the file is damaged, has no rows, or lacks a column.
    """
    table = read_table(path, what="table of results", fix=_FIX, columns=columns)
    lacking = [name for name in columns if name not in table.columns]
    if lacking or not table.records:
        raise UserError(f"{path} has no {', '.join(lacking) or 'rows'}.", _FIX)
    for record in table.records:
        if record.fault is not None:
            raise table.at(UserError(f"{record.place}: {record.fault}.", record.fix))
    return [dict(record.fields) for record in table.records]


def result_frame(path: Path, columns: Sequence[str], numbers: Sequence[str]) -> "pd.DataFrame":
    """As `result_rows`, as a frame: empty texts are None, `numbers` are floats, and True is a truth value."""
    import pandas as pd

    rows = [{name: row[name] for name in columns} for row in result_rows(path, columns)]
    for row in rows:
        row.update({name: None for name, value in row.items() if value == ""})
        row.update({name: number(row[name], path, name) for name in numbers if row[name] is not None})
        row.update({name: value == "True" for name, value in row.items() if value in ("True", "False")})
    return pd.DataFrame(rows, columns=list(columns))


def number(value: object, path: Path, column: str) -> float:
    """A cell as a number.

    Raises:
        UserError: it is none; the message names the file and the column.
    """
    try:
        return float(str(value))
    except ValueError as error:
        raise UserError(f"{path}: column {column} holds {value!r}, which is no number.", _FIX) from error


def shown_table(path: Path) -> Table[Any]:
    """A CSV as a table for readers: fractions are shortened, numbers stand to the right."""
    table = read_table(path, what="table of results", fix=_FIX, columns=())
    rows = [{name: record.text(name) for name in table.columns} for record in table.records]
    return Table([_column(name, rows) for name in table.columns], rows)


def _column(name: str, rows: Sequence[dict[str, str]]) -> Column[Any]:
    numeric = all(_is_number(row[name]) for row in rows if row[name])
    return Column(name.replace("_", " "), lambda row: _cell(row[name]), numeric)


def _cell(text: str) -> Cell:
    """A fraction as a number, which readers see shortened; everything else as it stands."""
    return float(text) if "." in text and _is_number(text) and text != "n/a" else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text in ("n/a", "True", "False")
    return True
