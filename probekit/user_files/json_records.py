"""Records in JSON as people write them: a list of texts or objects, named lists, columns, or one object per line."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from probekit.errors import UserError
from probekit.user_files.json_files import parse_json
from probekit.user_files.text import lines_of

LINE: Final = "text of a line"
"""Column of what has no columns: lines of text, lists of texts."""

_LISTS: Final = ("prompts", "captions", "texts", "videos", "data", "rows", "items", "annotations", "instances")
"""Keys under which files keep their list of records."""


class Fields(NamedTuple):
    """One record.

    Attributes:
        number: place of the record in its file, from 1.
        values: values by key in small letters.
        fault: what is wrong with the record; None for a legal one.
    """

    number: int
    values: Mapping[str, Any]
    fault: str | None = None


def records_of_json(text: str, path: Path, columns: Collection[str]) -> tuple[tuple[str, ...], list[Fields]]:
    """Columns and records of a JSON document.

    Args:
        text: the document.
        path: place of the file, for messages.
        columns: names that make a single object a record.

    Raises:
        UserError: The text is no JSON, or no list of records.
    """
    try:
        document = parse_json(text, allow_nan=True)
    except ValueError as error:
        if "Extra data" in str(error):  # JSON lines under the name .json
            return records_of_json_lines(text, path)
        raise UserError(f"{path} is not JSON: {error}.", "Mend that place, or write the file again.") from error
    entries = _entries(document, columns)
    if entries is None:
        what = f"the keys {', '.join(list(document)[:5])}" if isinstance(document, dict) else "one value"
        raise UserError(f"{path} holds {what} and no list.", "Write a list of texts, or of objects with one text each.")
    return _columns(records := [_fields(number, entry) for number, entry in enumerate(entries, start=1)]), records


def records_of_json_lines(text: str, path: Path) -> tuple[tuple[str, ...], list[Fields]]:
    """Columns and records of JSON lines; a line that is not legal is a faulty record.

    Args:
        text: the lines.
        path: place of the file, for messages.

    Raises:
        UserError: A carriage return stands alone.
    """
    records = [_parsed(number, line) for number, line in lines_of(text, path) if line.strip()]
    return _columns(records), records


def _parsed(number: int, line: str) -> Fields:
    try:
        return _fields(number, parse_json(line, allow_nan=True))
    except ValueError as error:
        return Fields(number, {}, f"it is not JSON: {error}")


def _fields(number: int, entry: Any) -> Fields:
    if isinstance(entry, str):
        return Fields(number, {LINE: entry})
    if not isinstance(entry, dict):
        return Fields(number, {}, "it is not an object, and no text")
    values = {key.strip().lower(): value for key, value in entry.items()}
    fault = None if len(values) == len(entry) else "two of its keys differ only in case"
    return Fields(number, values, fault)


def _entries(document: Any, columns: Collection[str]) -> list[Any] | None:
    """The records of a document; None where it holds none."""
    if isinstance(document, list):
        return document
    if not isinstance(document, dict) or not document:
        return None
    named = [document[key] for key in document if key.strip().lower() in _LISTS and isinstance(document[key], list)]
    if len(named) == 1 and all(isinstance(entry, str | dict) for entry in named[0]):
        return list(named[0])
    if {key.strip().lower() for key in document} & set(columns):
        return _from_columns(document)
    return None


def _from_columns(document: Mapping[str, Any]) -> list[Any]:
    """One record whose values are plain, or the rows of columns of one length, as pandas writes them."""
    columns = [list(value.values()) if isinstance(value, dict) else value for value in document.values()]
    if all(isinstance(column, list) for column in columns) and len({len(column) for column in columns}) == 1:
        return [dict(zip(document, row, strict=True)) for row in zip(*columns, strict=True)]
    return [document]


def _columns(records: list[Fields]) -> tuple[str, ...]:
    """All keys in order."""
    return tuple(dict.fromkeys(key for record in records for key in record.values))
