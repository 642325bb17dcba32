"""The table of a sweep: every row shows its own scores, whatever the rows are called."""

import json
from pathlib import Path

from probekit.reporting.pair_table import pair_table
from tests.helpers.reporting_examples import BASELINE, record_of, score_rows, score_table
from trainer.config.sweep import PaperScores, SweepConfig
from trainer.model_card import processor_seconds, trained_seconds
from trainer.sweeps.page import RowCost, sweep_page
from trainer.sweeps.table import FIRST_THERE, sweep_table


def test_a_row_whose_name_begins_like_another_ones_shows_its_own_scores(tmp_path: Path) -> None:
    names = ["mse", "mse-sigreg"]
    rows = [*score_rows(BASELINE, shift={}), *score_rows("mse", shift={"color": 0.06}),
            *score_rows("mse-sigreg", shift={"color": -0.06})]  # fmt: skip
    record = record_of(score_table(tmp_path, rows), names)
    paper = {"quality": 1, "semantic": 2, "total": 3}
    sweep = SweepConfig.model_validate(
        {
            "title": "Losses",
            "source": "figure 5",
            "rows": [
                {
                    "name": BASELINE,
                    "label": "none",
                    "recipe": "a.yaml",
                    "paper": paper,
                },
                *({"name": name, "label": name.upper(), "recipe": "a.yaml"} for name in names),
            ],
        }
    )
    totals = {row.method: row for row in record.rows if row.quantity == "total"}
    plain, lower, higher = sweep_table(sweep, record).rows
    assert (plain.mean_total, plain.total) == (totals["mse"].baseline_mean, None)
    assert plain.paper == PaperScores(**paper)
    assert (lower.label, lower.mean_total, lower.total) == ("MSE", totals["mse"].method_mean, totals["mse"])
    assert (higher.mean_total, higher.total) == (totals["mse-sigreg"].method_mean, totals["mse-sigreg"])
    assert lower.mean_total != higher.mean_total
    costs = [RowCost("none", 1, 1, 2.0), RowCost("MSE", 1, 2, 2.5, 1.25), RowCost("MSE-SIGREG", 1, 1, None)]
    page = sweep_page(sweep, sweep.suites[0], record, costs, pair_table([])).splitlines()
    assert page[0] == "# Losses"
    assert "| none | " in "\n".join(page)
    assert [line.split(" | ")[0] for line in page if line.startswith("| M")] == ["| MSE", "| MSE-SIGREG"] * 2
    assert "| MSE | 1 | 2 | 2.5 | 1.2 |" in page
    assert "**Runs that are not finished: MSE 1.** `trainer sweep` goes on with them." in page[2]
    assert "## Every pair of rows" not in page


def test_a_table_says_so_where_its_rows_share_other_prompts_with_the_first(tmp_path: Path) -> None:
    sweep = SweepConfig.model_validate(
        {
            "title": "t", "source": "s",
            "rows": [{"name": name, "label": name, "recipe": "a.yaml"} for name in (BASELINE, "one", "two")],
        }
    )  # fmt: skip
    for unscored, told in (((), False), ((("color", 0),), True)):
        rows = [*score_rows(BASELINE, shift={}), *score_rows("one", shift={}, unscored=unscored),
                *score_rows("two", shift={})]  # fmt: skip
        record = record_of(score_table(tmp_path / str(told), rows), ["one", "two"])
        table = sweep_table(sweep, record)
        names = [column.heading for column in table.columns]
        assert (FIRST_THERE in names, "differ from row to row" in table.notes[0]) == (told, told)
        if told:
            shown = [dict(zip(names, row, strict=True)) for row in table.texts()]
            totals = [row for row in record.rows if row.quantity == "total"]
            assert [row[FIRST_THERE] for row in shown] == ["", *(f"{row.baseline_mean:.2f}" for row in totals)]


def test_times_of_a_run_are_those_of_its_steps_and_cores_are_known_where_every_step_says_them(tmp_path: Path) -> None:
    """Records stand for the steps since the one before; what has no seconds is no step."""
    (tmp_path / "config.yaml").write_text("log_every: 10\n")
    records = [{"step": 10, "seconds": 2.0, "processor_seconds": 1.5}, {"step": 20, "seconds": 4.0},
               {"step": 20, "validation_loss": 1.0}]  # fmt: skip
    assert (trained_seconds(tmp_path), processor_seconds(tmp_path)) == (0.0, None)
    (tmp_path / "metrics.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in records))
    assert (trained_seconds(tmp_path), processor_seconds(tmp_path)) == (60.0, None)
    records[1]["processor_seconds"] = 3.0
    (tmp_path / "metrics.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in records))
    assert (trained_seconds(tmp_path), processor_seconds(tmp_path)) == (60.0, 45.0)
