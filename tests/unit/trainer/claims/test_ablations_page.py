"""Differences that the page of the ablations prints in words are those of the tables beside it."""

import re
from collections.abc import Iterator

import pytest

from probekit.reporting.comparison_io import read_comparison
from probekit.reporting.pair_table import PAIRS, read_pairs
from tests.helpers.places import REPOSITORY

SPRITE = REPOSITORY / "reports" / "sprite"
PRINTED = re.compile(r"([+-]?\d+\.\d+)\s+\[([+-]\d+\.\d+),\s+([+-]\d+\.\d+)\]")

Estimate = tuple[float, float, float]


def rounded(difference: float, low: float, high: float) -> Estimate:
    return round(difference, 2) + 0.0, round(low, 2) + 0.0, round(high, 2) + 0.0


def stored() -> Iterator[Estimate]:
    """Difference and interval of every pair on Total, either way round, and of every comparison."""
    for path in SPRITE.rglob(f"{PAIRS}.csv"):
        for row in read_pairs(path.parent):
            if row.difference is not None and row.low is not None and row.high is not None:
                yield rounded(row.difference, row.low, row.high)
                yield rounded(-row.difference, -row.high, -row.low)
    for path in SPRITE.rglob("comparison.json"):
        for one in read_comparison(path).rows:
            if one.difference is not None and one.low is not None and one.high is not None:
                yield rounded(one.difference, one.low, one.high)


@pytest.mark.skipif(not (SPRITE / "ablations.md").is_file(), reason="the reports are not here")
def test_every_printed_interval_stands_in_a_table() -> None:
    text = (SPRITE / "ablations.md").read_text()
    printed = [tuple(map(float, match.groups())) for match in PRINTED.finditer(text)]
    assert len(printed) >= 10
    known = set(stored())
    signless = {(abs(difference), low, high) for difference, low, high in known}
    wrong = [one for one in printed if one not in known and one not in signless]
    assert wrong == []
