"""The prompts that differ most: by hand, up to ties, and where a prompt or a model is absent."""

from pathlib import Path

import pandas as pd
import pytest

from probekit.errors import UserError
from probekit.reporting.comparison_record import ComparisonRecord
from probekit.reporting.prompt_table import largest_dimension, prompt_differences, prompt_table
from tests.helpers.reporting_examples import BASELINE, record_of, score_rows, score_table

METHOD = "Video-Mirai"


def compared(folder: Path) -> tuple[pd.DataFrame, ComparisonRecord]:
    lost = [("color", 2)]
    rows = [*score_rows(BASELINE, shift={}), *score_rows(METHOD, shift={"color": 0.2}, unscored=lost)]
    table = score_table(folder, rows)
    return table, record_of(table, [METHOD])


def test_differences_are_those_of_the_means_of_each_prompt(tmp_path: Path) -> None:
    table, record = compared(tmp_path)
    row = largest_dimension(record)
    assert (row.quantity, row.method) == ("color", METHOD)
    found = prompt_differences(table, record, row)
    own = table[table.dimension == "color"]
    expected = {}
    for prompt in ("p00", "p01", "p03", "p04", "p05"):  # p02 has no score of the method
        one, other = (
            own[(own.model == model) & (own.prompt_id == prompt)].value.mean() for model in (METHOD, BASELINE)
        )
        expected[prompt] = 100 * (one - other)
    assert {one.prompt_id: pytest.approx(one.difference) for one in found} == expected
    sizes = [abs(one.difference) for one in found]
    assert sizes == sorted(sizes, reverse=True)


def test_the_table_shows_the_first_ones_and_says_of_how_many(tmp_path: Path) -> None:
    table, record = compared(tmp_path)
    row = largest_dimension(record)
    page = prompt_table(prompt_differences(table, record, row), record, row, most=2).markdown()
    assert f"color: mean over the videos of each prompt, in percent; {METHOD} - {BASELINE}" in page
    assert "the 2 largest of 5 prompts" in page
    assert len([line for line in page.splitlines() if line.startswith("| p0")]) == 2


def test_a_comparison_without_differences_is_named(tmp_path: Path) -> None:
    _, record = compared(tmp_path)
    bare = record.model_copy(update={"rows": ()})
    with pytest.raises(UserError, match="No dimension of the comparison has a difference"):
        largest_dimension(bare)
