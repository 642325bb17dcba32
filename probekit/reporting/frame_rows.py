"""Rows of a data frame as tables take them: a dictionary by column, None where a value is absent."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def frame_rows(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    """One dictionary per row; absent values are None, not NaN."""
    columns = list(map(str, frame))
    cells = frame.astype(object).where(frame.notna(), None).itertuples(index=False, name=None)
    return [dict(zip(columns, row, strict=True)) for row in cells]
