"""Numbers that the paper prints (Video-Mirai, arXiv 2606.03971), as printed there; none of them was measured here.

Tables of one sweep stand in the sweep's own file (`trainer/recipes/sweeps`), the others in `paper_table_N.csv` beside
this module. An empty cell is a number that the paper does not print.
"""

import csv
import io
from importlib.resources import files
from typing import Final

SOURCE: Final = "Video-Mirai, arXiv 2606.03971"


def paper_rows(table: int) -> list[dict[str, str]]:
    """Rows of a printed table by column, in the paper's order."""
    text = files("probekit.reporting").joinpath(f"paper_table_{table}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(text)))


def printed(cell: str) -> float | None:
    """The number of a cell; None where the paper prints none."""
    return float(cell) if cell else None
