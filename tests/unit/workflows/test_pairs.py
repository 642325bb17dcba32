"""Every pair of models on Total: the same numbers as a comparison of two, read back as they were written."""

from pathlib import Path

import pytest

from probekit.errors import UserError
from probekit.reporting.pair_table import PAIRS, PairRow, pair_table, read_pairs
from probekit.statistics.bootstrap_settings import BootstrapSettings
from probekit.statistics.significance import holm
from probekit.workflows.compare import compare_runs
from probekit.workflows.pairs import pairs_of_total, write_pairs
from tests.helpers.scored_runs import SHIFTS, scored

OF_RUNS = BootstrapSettings(resampling="paired-runs", replicates=400)
PROMPTS = BootstrapSettings(replicates=400)


@pytest.mark.parametrize(("settings", "runs"), [(PROMPTS, 1), (OF_RUNS, 3)])
def test_each_pair_is_the_comparison_of_its_two_models(settings: BootstrapSettings, runs: int, tmp_path: Path) -> None:
    by_model = {model: [scored(tmp_path, model, number) for number in range(runs)] for model in SHIFTS}
    found = pairs_of_total([run for own in by_model.values() for run in own], settings=settings)
    every = [run for own in by_model.values() for run in own]
    assert pairs_of_total(every, first=compare_runs(every, settings=settings), settings=settings) == found
    assert [(row.first, row.second) for row in found] == [("half", "none"), ("whole", "none"), ("whole", "half")]
    for row in found:
        record = compare_runs([*by_model[row.second], *by_model[row.first]], settings=settings)
        total = next(one for one in record.rows if one.quantity == "total")
        assert (row.difference, row.low, row.high) == (total.difference, total.low, total.high)
        assert row.runs == runs
        assert row.p_value is not None
    assert [row.holm for row in found] == pytest.approx(holm([row.p_value or 0.0 for row in found]))
    write_pairs(tmp_path / "out", found, {"none": "without"})
    for row, again in zip(found, read_pairs(tmp_path / "out"), strict=True):
        for ours, theirs in zip(row, again, strict=True):
            assert theirs == (pytest.approx(ours, rel=1e-5) if isinstance(ours, float) else ours)
    assert "| half | without |" in (tmp_path / "out" / f"{PAIRS}.md").read_text()


def test_a_pair_of_rows_with_different_numbers_of_runs_takes_as_many_as_both_have(tmp_path: Path) -> None:
    runs = [scored(tmp_path, "none", number) for number in range(3)]
    runs += [scored(tmp_path, "half", number) for number in range(2)]
    (row,) = pairs_of_total(runs, settings=OF_RUNS)
    assert row.runs == 2


def test_a_damaged_table_names_the_line(tmp_path: Path) -> None:
    rows = pairs_of_total([scored(tmp_path, model) for model in SHIFTS], settings=PROMPTS)
    write_pairs(tmp_path, rows)
    path = tmp_path / f"{PAIRS}.csv"
    text = path.read_text()
    path.write_text(text.replace(text.splitlines()[2].split(",")[3], "much"))
    with pytest.raises(UserError, match=r"pairs\.csv, line 3: difference is 'much', not a number"):
        read_pairs(tmp_path)
    path.unlink()
    with pytest.raises(UserError, match=r"pairs\.csv"):
        read_pairs(tmp_path)


@pytest.mark.parametrize(
    ("low", "high", "difference", "error", "shown"),
    [
        (-0.2, 0.6, 0.2, 0.2, "7.8"),
        (0.1, 0.3, 0.2, 0.05, ""),
        (-1.0, 1.0, 0.0, 0.5, "over 1,000"),
        (None, None, 0.2, None, ""),
    ],
)
def test_open_pairs_say_how_much_data_would_tell(
    low: float | None, high: float | None, difference: float, error: float | None, shown: str
) -> None:
    row = PairRow("a", "b", 2, difference, error, low, high, 50, None, None)
    assert pair_table([row]).texts()[0][-1] == shown


def test_notes_name_rows_as_readers_see_them() -> None:
    whole = PairRow("half", "none", 2, 0.1, 0.1, -0.1, 0.3, 9, 0.5, 1.0)
    few = whole._replace(interval="t", instead="fewer than 50 prompts")
    *_, note = pair_table([whole, few], {"none": "without"}).notes
    assert note == "t interval instead (half and without): fewer than 50 prompts."
