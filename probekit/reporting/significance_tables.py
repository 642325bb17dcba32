"""Significance tests of methods against a baseline, as a table."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from probekit.reporting.table import Table, fields
from probekit.statistics.significance_table import SignificanceRow

_NOTE: Final = (
    "p_value: sign-flip permutation of prompts; holm and benjamini_hochberg over the dimensions; equivalence_p: "
    "two one-sided t tests against the margin, with the standard error of n - 1; dimensions in raw units, "
    "composites in percent."
)


def significance_table(
    results: Sequence[tuple[str, Sequence[SignificanceRow]]], noise_floors: Mapping[str, float]
) -> Table[tuple[Any, ...]]:
    """One row per method and quantity, with the noise floor of the quantity where it is known.

    Args:
        results: name and rows of each method.
        noise_floors: standard deviation of a difference that means nothing, by quantity.
    """
    rows = [(method, *row, noise_floors.get(row.quantity)) for method, rows in results for row in rows]
    return Table(fields(("method", *SignificanceRow._fields, "noise_floor")), rows, [_NOTE])
