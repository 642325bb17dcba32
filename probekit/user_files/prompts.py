"""Prompts of a user's file or folder: the one reader behind suites, training prompts, audits and extended texts."""

import difflib
import re
import unicodedata
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from probekit.errors import UserError
from probekit.user_files.json_records import LINE
from probekit.user_files.tables import KINDS, SUFFIXES, Table, read_table

WHAT: Final = "prompt file"
FIX: Final = f"Give a {KINDS} file of prompts."
PROMPT_COLUMNS: Final = ("prompt", "prompt_en", "caption", "text")
IDENTIFIER: Final = "prompt_id"
_OTHER_IDENTIFIERS: Final = frozenset(("id", "uid", "uuid", "key", "index", "idx", "name", "number"))

_NOTES: Final = re.compile(
    r"(readme|licen[cs]e|copying|notice|changelog|citation|authors|requirements|checksums?|md5sums?|sha256sums?)\b.*"
    r"|(dataset_infos?|metadata|meta|config|state|index)\.json"
)
"""Files that lie beside prompts in a folder."""

_SHOWN: Final = 3


class PromptEntry(NamedTuple):
    """One prompt of a file.

    Attributes:
        place: name of its place in the file, such as "line 3".
        text: the prompt without white space around it; may be empty.
        prompt_id: its identifier; None where the file has no such column.
    """

    place: str
    text: str
    prompt_id: str | None = None


class PromptFolder(NamedTuple):
    """What a folder of prompt files holds.

    Attributes:
        files: prompt files by name.
        left_out: names of what is no prompt file.
    """

    files: list[Path]
    left_out: list[str]


def read_prompt_entries(
    path: Path, columns: Collection[str] = PROMPT_COLUMNS, *, identify: bool = True
) -> list[PromptEntry]:
    """Read every prompt of a file, as it stands there; empty lines at the end are left out.

    Args:
        path: `.txt` with one prompt per line, `.csv`, `.tsv`, `.json`, `.jsonl` or `.parquet`; without one of these
            suffixes the content decides.
        columns: names of the column of prompts, the first that the file has; lines and lists of texts need none.
        identify: whether identifiers matter; then a column that seems to hold them must be called prompt_id.

    Raises:
        UserError: As `read_table`, the file has none of the columns, or a row is not legal; the row is named.
    """
    table = read_table(path, what=WHAT, fix=FIX, columns=(*columns, IDENTIFIER), lines=True)
    column = table.column(columns) if table.columns else LINE
    if not table.records:
        raise UserError(f"{path} holds no prompts.", "Write one prompt per line.")
    identified = identify and _has_identifiers(table)
    entries = []
    for record in table.records:
        try:
            identifier = record.text(IDENTIFIER) if identified else None
            entries.append(PromptEntry(record.place, record.text(column), identifier))
        except UserError as error:
            raise table.at(error) from error
    while column == LINE and entries and not entries[-1].text:
        entries.pop()
    return entries


def _has_identifiers(table: Table) -> bool:
    if IDENTIFIER in table.columns:
        return True
    near = difflib.get_close_matches(IDENTIFIER, table.columns, n=1, cutoff=0.85)
    if others := [*near, *(name for name in table.columns if name in _OTHER_IDENTIFIERS)]:
        raise UserError(
            f"{table.path} has no column {IDENTIFIER}, and its column {others[0]!r} is not read.",
            f"Name the column of identifiers {IDENTIFIER}, or remove it: prompts are then named by their places.",
        )
    return False


def prompt_folder(folder: Path) -> PromptFolder:
    """Find the prompt files of a folder; its folders are not looked into, hidden files do not count.

    Raises:
        UserError: The folder cannot be read, or holds no prompt file.
    """
    try:
        entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
        files = [path for path in entries if path.is_file() and _is_prompt_file(path)]
    except OSError as error:
        raise UserError(f"The folder {folder} cannot be read: {error.strerror}.", "Check its permissions.") from error
    left_out = [f"{path.name}/" if path.is_dir() else path.name for path in entries if path not in files]
    if not files:
        aside = f"; {listed(left_out)} is none" if left_out else ""
        raise UserError(f"There is no prompt file in the folder {folder}{aside}.", FIX)
    return PromptFolder(files, left_out)


def _is_prompt_file(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not _NOTES.fullmatch(path.name.lower())


def same_text(text: str) -> str:
    """What two texts share that a reader takes for one prompt: forms of accents, spaces and invisible marks apart."""
    if not text.isascii():
        normal = unicodedata.normalize("NFC", text)
        text = "".join(mark for mark in normal if unicodedata.category(mark) != "Cf")
    return " ".join(text.split())


def repeated_texts(entries: Sequence[PromptEntry]) -> list[tuple[PromptEntry, PromptEntry]]:
    """Pairs of an entry and the first one of the same text."""
    first: dict[str, PromptEntry] = {}
    pairs = [(entry, first.setdefault(same_text(entry.text), entry)) for entry in entries]
    return [(entry, before) for entry, before in pairs if entry is not before]


def listed(names: Sequence[str]) -> str:
    """The first names of a list, and how many more there are."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"
