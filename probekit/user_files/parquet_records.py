"""Records of a user's Parquet file within bounds: rows and texts are counted before they are unpacked."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from probekit.errors import UserError
from probekit.user_files.json_records import Fields

if TYPE_CHECKING:
    import pyarrow.parquet

MOST_ROWS: Final = 20_000_000
MOST_BYTES: Final = 2**31
_BATCH: Final = 4096
"""Rows unpacked together."""
_SPLIT: Final = "Split the file."


def records_of_parquet(content: bytes, path: Path, columns: Collection[str]) -> tuple[tuple[str, ...], list[Fields]]:
    """Columns and records of a Parquet file; only the columns that matter are read.

    Args:
        content: bytes of the file.
        path: place of the file, for messages.
        columns: names of columns that matter, in small letters.

    Raises:
        UserError: The file is damaged or goes beyond its bounds.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        names = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(content)).schema_arrow.names
        wanted = [name for name in names if name.strip().lower() in columns]
        file = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(content), read_dictionary=wanted)
        # Sizes of columns are not asked for: on damaged metadata that call ends the process instead of raising.
        if file.metadata.num_rows > MOST_ROWS:
            raise UserError(f"{path} declares {file.metadata.num_rows:,} rows, more than {MOST_ROWS:,}.", _SPLIT)
        rows = list(_rows(file, path, wanted)) if wanted else []
    except (pyarrow.ArrowException, OSError, ValueError, UnicodeDecodeError) as error:
        said = " ".join(str(error).split())[:200]
        raise UserError(f"The Parquet file {path} cannot be read: {said}.", "Copy the file again.") from error
    known = [name.strip().lower() for name in names]
    if len(set(wanted)) < len(wanted) or any(known.count(name.strip().lower()) > 1 for name in wanted):
        raise UserError(f"{path} has two columns of one name.", "Give every column one name.")
    return tuple(known), rows


def _rows(file: "pyarrow.parquet.ParquetFile", path: Path, wanted: list[str]) -> Iterator[Fields]:
    """Rows of the wanted columns; what a text that many rows share unpacks to is counted before it is unpacked."""
    number, size = 0, 0
    for batch in file.iter_batches(batch_size=_BATCH, columns=wanted, use_threads=False):
        size += sum(_unpacked_bytes(column) for column in batch.columns)
        if size > MOST_BYTES:
            raise UserError(f"{path} unpacks to more than {MOST_BYTES:,} bytes of text.", _SPLIT)
        for row in batch.to_pylist():
            number += 1
            yield Fields(number, {name.strip().lower(): value for name, value in row.items()})


def _unpacked_bytes(column: "pyarrow.Array") -> int:
    import pyarrow
    import pyarrow.compute

    if not isinstance(column, pyarrow.DictionaryArray):
        return int(column.nbytes)
    lengths = pyarrow.compute.binary_length(column.dictionary)
    return int(pyarrow.compute.sum(lengths.take(column.indices)).as_py() or 0)
