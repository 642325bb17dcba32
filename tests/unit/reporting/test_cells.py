"""Notes under tables name the rows they are about, and say so where that is all of them."""

import pytest

from probekit.reporting.cells import interval_notes

FEW, NONE = ("t", "fewer than 50 prompts", None), (None, None, "one prompt")
USUAL = ("percentile", None, None)


@pytest.mark.parametrize(
    ("rows", "notes"),
    [
        ([("a", *FEW), ("b", *USUAL)], ["t interval instead (a): fewer than 50 prompts."]),
        ([("a", *FEW), ("b", *FEW)], ["t interval instead (a, b): fewer than 50 prompts."]),
        ([("a", *FEW), ("b", *FEW), ("c", *FEW)], ["t interval instead (every row): fewer than 50 prompts."]),
        ([("a", *NONE), ("b", *NONE), ("c", *NONE)], ["n/a (every row): one prompt."]),
        # Two rows of one name, of which one is another's: not every row.
        ([("a", *FEW), ("a", *USUAL), ("b", *FEW)], ["t interval instead (a, b): fewer than 50 prompts."]),
        (
            [("a", *FEW), ("b", *FEW), ("c", *FEW), ("d", *NONE)],
            ["t interval instead (a, b, c): fewer than 50 prompts.", "n/a (d): one prompt."],
        ),
    ],
)
def test_a_note_names_its_rows(rows: list[tuple[str, str | None, str | None, str | None]], notes: list[str]) -> None:
    assert interval_notes(rows) == notes
