"""The table of drops: a model's horizons and drop, then the difference of drops, which has no horizons of its own."""

import csv
import io

import pytest

from probekit.reporting.drop_table import DropReport, drop_table
from probekit.seeding import generator
from probekit.statistics.horizon_drop import HorizonScores, drop_difference, horizon_drop
from probekit.suites.dimension_constants import SPRITE_CONSTANTS


def horizons(seed: int, drop: float) -> HorizonScores:
    rng = generator("drop-table", seed)
    short = {c.dimension: {f"p{i}": float(v) for i, v in enumerate(rng.uniform(0.6, 0.8, 8))} for c in SPRITE_CONSTANTS}
    lost = {name: rng.normal(drop, 0.01, 8) for name in short}
    long = {name: dict(zip(scores, list(scores.values()) - lost[name], strict=True)) for name, scores in short.items()}
    return HorizonScores(short, long)


@pytest.fixture
def report() -> DropReport:
    base, ours = horizons(1, 0.2), horizons(2, 0.1)
    drops = {name: horizon_drop(one, SPRITE_CONSTANTS) for name, one in (("base", base), ("ours", ours))}
    return DropReport(drops, drop_difference(ours, base, SPRITE_CONSTANTS))


def test_readers_see_horizons_drop_and_interval(report: DropReport) -> None:
    table = drop_table(report)
    texts = {(row[0], row[1]): row[2:] for row in table.texts()}
    short, long, drop, interval, prompts = texts["drop of base", "color"]
    assert float(long) == pytest.approx(float(short) - 0.2, abs=0.02)
    assert (drop[0], drop[-1], interval[0], prompts) == ("+", "*", "[", "8")
    difference = texts["drop of ours - drop of base", "color"]
    assert difference[:2] == ["", ""]
    assert float(difference[2].rstrip("*")) == pytest.approx(-0.1, abs=0.02)


def test_programs_see_every_field_with_all_digits(report: DropReport) -> None:
    written = list(csv.DictReader(io.StringIO(drop_table(report).csv())))
    rows = report.rows()
    assert [(row["what"], row["name"], row["star"]) for row in written] == [
        (row.what, row.name, str(int(row.star))) for row in rows
    ]
    assert [row["drop"] for row in written] == [repr(row.drop) for row in rows]
    assert {row["short"] for row in written if " - " in row["what"]} == {""}
