"""Writes a comparison as a folder of tables, and reads it back."""

from pathlib import Path

from probekit.atomic_files import write_json
from probekit.config_errors import read_json_model
from probekit.errors import UserError
from probekit.reporting.comparison_record import ComparisonRecord
from probekit.reporting.comparison_tables import comparison_table

COMPARISON_FILENAME = "comparison.json"


def write_comparison(out_dir: Path, record: ComparisonRecord) -> tuple[Path, ...]:
    """Write ``comparison.json`` (all settings and seeds), ``.csv``, ``.md`` and ``.tex``; return their paths.

    Raises:
        UserError: The folder cannot be written.
    """
    path = out_dir / COMPARISON_FILENAME
    texts = comparison_table(record).write(out_dir, path.stem, latex=True)
    # Last, because it is the file that readers look for.
    write_json(path, record.model_dump(mode="json"))
    return (path, *texts)


def read_comparison(path: Path) -> ComparisonRecord:
    """Read a record from ``comparison.json`` or the folder that holds it.

    Raises:
        UserError: The file is absent, not JSON, or not a comparison.
    """
    file = path / COMPARISON_FILENAME if path.is_dir() else path
    if not file.is_file():
        raise UserError(f"There is no comparison {file}.", "Give a folder that `probekit compare` wrote.")
    return read_json_model(file, ComparisonRecord, "Compare the runs again.")
