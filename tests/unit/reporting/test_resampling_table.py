"""One comparison under several resamplings: rows by hand, and the worked example of the page on statistics."""

import re
from pathlib import Path

from probekit.reporting.resampling_table import resampling_table
from probekit.statistics.bootstrap_settings import BootstrapSettings
from probekit.workflows.compare import compare_runs, open_scored_run
from tests.helpers.places import REPOSITORY
from tests.helpers.reporting_examples import BASELINE, record_of, score_rows, score_table

RUNS = REPOSITORY / "reports" / "sprite" / "5s" / "runs"


def test_a_table_has_the_aggregates_of_each_record(tmp_path: Path) -> None:
    table = score_table(tmp_path, [*score_rows(BASELINE, shift={}), *score_rows("ours", shift={"color": 0.05})])
    record = record_of(table, ["ours"])
    joint = record.model_copy(update={"settings": record.settings.model_copy(update={"resampling": "joint"})})
    rows = resampling_table([record, joint]).rows
    assert [(one.resampling, one.row.quantity) for one in rows] == [
        (kind, name) for kind in ("paper", "joint") for name in ("quality", "semantic", "total")
    ]
    assert "| joint | SpriteTotal |" in resampling_table([record, joint]).markdown()


def test_the_worked_example_of_the_page_on_statistics_is_what_the_stored_scores_give() -> None:
    page = (REPOSITORY / "docs" / "statistics.md").read_text(encoding="utf-8")
    example = page.partition("## Worked example")[2]
    runs = [open_scored_run(RUNS / name) for name in ("sprite-dmd-baseline", "sprite-dmd-foresight")]
    records = [
        compare_runs(runs, settings=BootstrapSettings(resampling=kind)) for kind in ("paper", "joint", "two-level")
    ]
    printed = re.findall(r"^\| (paper|joint|two-level) \| (.*) \|$", example, re.MULTILINE)
    table = resampling_table(records).markdown()
    computed = re.findall(r"^\| (paper|joint|two-level) \| SpriteTotal \| (.*) \| \d+ \|$", table, re.MULTILINE)
    assert printed == computed
