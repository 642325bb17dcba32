import csv
import io
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from probekit.errors import UserError
from probekit.reporting.build_record import comparison_record
from probekit.reporting.cells import difference_text, not_run_text, quantity_text, score_text
from probekit.reporting.comparison_io import read_comparison, write_comparison
from probekit.reporting.comparison_record import (
    ComparisonRecord,
    ComparisonRow,
    ComparisonSettings,
    DimensionNotRun,
    ProtocolMismatch,
    VideoCoverage,
)
from probekit.reporting.comparison_tables import comparison_table
from probekit.reporting.summary import summary_sentences
from probekit.reporting.table import Table
from probekit.statistics.bootstrap_settings import BootstrapSettings
from probekit.statistics.prompt_scores import Method
from probekit.statistics.score_comparison import compare_score_tables
from probekit.suites.dimension_constants import SPRITE_CONSTANTS
from tests.helpers.places import REPOSITORY
from tests.helpers.reporting_examples import BASELINE, HORIZON, RUN, SUITE, card, record_of, score_rows, score_table

HUNDRED = BootstrapSettings(replicates=100)

FIVE_HUNDRED = BootstrapSettings(replicates=500)

GOLDEN = REPOSITORY / "tests" / "golden"
METHOD = "Video-Mirai"


def row(quantity: str, **changes: Any) -> ComparisonRow:
    values: dict[str, Any] = {
        "quantity": quantity,
        "group": "quality",
        "method": METHOD,
        "baseline_mean": 82.5,
        "method_mean": 83.04,
        "difference": 0.54,
        "standard_error": 0.213,
        "low": 0.121,
        "high": 0.958,
        "star": True,
        "n_prompts": 200,
        "baseline_videos": VideoCoverage(scored=1000, planned=1000),
        "method_videos": VideoCoverage(scored=1000, planned=1000),
        "reason": None,
    }
    return ComparisonRow(**(values | changes))


def fixed_record(**changes: Any) -> ComparisonRecord:
    """A row of each kind: star, no star, one prompt, nothing scored, an aggregate, an aggregate that is missing."""
    absent: dict[str, Any] = {"standard_error": None, "low": None, "high": None, "star": False}
    nothing = absent | {"baseline_mean": None, "method_mean": None, "difference": None}
    aggregate: dict[str, Any] = {"group": "aggregate", "baseline_videos": None, "method_videos": None}
    rows = (
        row("subject_consistency"),
        row("dynamic_degree", difference=-0.001, low=-0.4, high=0.3, star=False, method_mean=82.499),
        row("object_class", group="semantic", n_prompts=1, reason="fewer than 2 prompts", **absent),
        row("color", group="semantic", n_prompts=0, reason="no prompt is scored for both methods", **nothing)
        .model_copy(update={"method_videos": VideoCoverage(scored=0, planned=1000)}),
        row("quality", **aggregate),
        row("total", n_prompts=0, reason="1 of its dimensions not scored", **(aggregate | nothing)),
    )  # fmt: skip
    values: dict[str, Any] = {
        "baseline": "base_1 & co",
        "methods": (METHOD,),
        "settings": ComparisonSettings(
            suite=SUITE, horizon=HORIZON, seed=7, replicates=10_000, level=0.95, constants=()
        ),
        "rows": rows,
        "not_run": (DimensionNotRun(dimension="aesthetic_quality", reason="needs weights"),),
        "mismatches": (),
        "protocols": {},
        "score_files": {},
        "command": "probekit compare",
    }
    return ComparisonRecord(**(values | changes))


MISMATCH = ProtocolMismatch(method=METHOD, field="generation.seed", baseline_value=0, method_value=1)


@pytest.mark.parametrize(("name", "render"), [("comparison.md", Table.markdown), ("comparison.tex", Table.latex)])
def test_text_tables_are_as_recorded(name: str, render: Any) -> None:
    assert render(comparison_table(fixed_record())) == (GOLDEN / name).read_text(encoding="utf-8")


def test_csv_keeps_every_row_and_leaves_nulls_empty() -> None:
    rows = list(csv.DictReader(io.StringIO(comparison_table(fixed_record()).csv())))
    assert tuple(rows[0]) == (
        "quantity", "group", "baseline", "method", "baseline_mean", "method_mean", "difference", "standard_error",
        "low", "high", "star", "n_prompts", "baseline_scored", "baseline_planned", "method_scored", "method_planned",
        "reason", "banner", "interval", "instead",
    )  # fmt: skip
    assert [entry["quantity"] for entry in rows] == [entry.quantity for entry in fixed_record().rows]
    assert (rows[0]["difference"], rows[0]["star"], rows[0]["banner"]) == ("0.540000", "1", "")
    assert (rows[3]["difference"], rows[3]["method_scored"], rows[3]["method_planned"]) == ("", "0", "1000")
    assert rows[5]["reason"] == "1 of its dimensions not scored"


@pytest.mark.parametrize("render", [Table.csv, Table.markdown, Table.latex, lambda table: printed(table)])
def test_every_table_carries_the_banner_of_an_overridden_mismatch(render: Any) -> None:
    assert "PROTOCOLS DIFFER" not in render(comparison_table(fixed_record()))
    assert "PROTOCOLS DIFFER in generation.seed" in render(comparison_table(fixed_record(mismatches=(MISMATCH,))))


def test_terminal_table_shows_brackets_and_stars_literally() -> None:
    text = printed(comparison_table(fixed_record()))
    assert "[+0.12, +0.96]" in text
    assert "+0.54*" in text
    assert "n/a (color, SpriteTotal)" not in text  # different reasons stay apart
    assert "no prompt is scored for both methods" in text


def test_a_difference_that_rounds_to_zero_has_no_sign() -> None:
    assert difference_text(-0.001, star=False) == "0.00"
    assert difference_text(0.004, star=False) == "0.00"
    assert score_text(-0.0) == "0.00"


@given(st.floats(-1e6, 1e6))
def test_a_printed_difference_is_within_half_a_hundredth(value: float) -> None:
    assert math.isclose(float(difference_text(value, star=False)), value, abs_tol=0.005 + 1e-9)


def test_aggregates_are_named_after_the_suite() -> None:
    assert quantity_text("total", "sprite-test") == "SpriteTotal"
    assert quantity_text("total", "vbench") == "Total"
    assert quantity_text("dynamic_degree", "sprite") == "dynamic degree"


def test_a_comparison_comes_back_from_disk(tmp_path: Path) -> None:
    record = real_record(tmp_path)
    paths = write_comparison(tmp_path / "out", record)
    assert sorted(path.suffix for path in paths) == [".csv", ".json", ".md", ".tex"]
    assert read_comparison(tmp_path / "out") == record
    assert read_comparison(tmp_path / "out" / "comparison.json") == record


def test_reading_what_is_no_comparison_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no comparison"):
        read_comparison(tmp_path)
    (tmp_path / "comparison.json").write_text('{"baseline": "a"}')
    with pytest.raises(UserError, match="missing key 'methods'"):
        read_comparison(tmp_path)


def test_record_is_the_bootstrap_in_percent(tmp_path: Path) -> None:
    table = score_table(tmp_path, [*score_rows(BASELINE, shift={}), *score_rows(METHOD, shift={"color": 0.03})])
    comparison = compare_score_tables(table, BASELINE, [METHOD], SPRITE_CONSTANTS, seed=3, settings=FIVE_HUNDRED)[0]
    record = record_of(table, [METHOD])
    rows = {row.quantity: row for row in record.rows}
    color = next(estimate for estimate in comparison.bootstrap.dimensions if estimate.name == "color")
    assert color.difference is not None
    assert rows["color"].difference == pytest.approx(100 * color.difference)
    assert rows["color"].star
    assert comparison.bootstrap.total is not None
    assert rows["total"].difference == comparison.bootstrap.total.difference
    assert rows["color"].baseline_videos == VideoCoverage(scored=12, planned=12)
    assert record.settings.seed == 3
    assert [row.quantity for row in record.rows][-3:] == ["quality", "semantic", "total"]


def test_unscored_videos_lower_the_coverage_of_their_model_only(tmp_path: Path) -> None:
    rows = [*score_rows(BASELINE, shift={}), *score_rows(METHOD, shift={}, unscored=[("color", 2)])]
    color = next(row for row in record_of(score_table(tmp_path, rows), [METHOD]).rows if row.quantity == "color")
    assert color.baseline_videos == VideoCoverage(scored=12, planned=12)
    assert color.method_videos == VideoCoverage(scored=10, planned=12)
    assert color.n_prompts == 5


def test_a_missing_dimension_leaves_its_aggregates_empty_and_is_listed(tmp_path: Path) -> None:
    rows = [*score_rows(BASELINE, shift={}, skip=["color"]), *score_rows(METHOD, shift={}, skip=["color"])]
    record = record_of(score_table(tmp_path, rows), [METHOD], not_run={"scene": "needs weights"})
    values = {row.quantity: row for row in record.rows}
    assert values["quality"].difference is not None
    assert values["semantic"].difference is None
    assert values["total"].reason == "1 of its dimensions not scored"
    listed = {row.dimension: row.reason for row in record.not_run}
    assert listed == {"color": "not in the score tables", "scene": "needs weights"}
    assert "SpriteTotal cannot be given" in summary_sentences(record)[0]


def test_three_models_have_one_row_each_under_every_quantity(tmp_path: Path) -> None:
    names = [METHOD, "Video-Mirai[0,1]"]
    rows = [row for model in (BASELINE, *names) for row in score_rows(model, shift={})]
    record = record_of(score_table(tmp_path, rows), names, cards={METHOD: card(METHOD, seed=9)})
    assert [row.method for row in record.rows[:2]] == names
    assert len(record.rows) == 2 * (len(SPRITE_CONSTANTS) + 3)
    assert [mismatch.field for mismatch in record.mismatches] == ["generation.seed"]
    assert "| method |" in comparison_table(record).markdown()
    assert len(summary_sentences(record)) == 2


def test_training_runs_are_named_where_the_model_alone_is_ambiguous(tmp_path: Path) -> None:
    second = [entry._replace(training_run="run-2") for entry in score_rows(METHOD, shift={"color": 0.01})]
    table = score_table(tmp_path, [*score_rows(BASELINE, shift={}), *score_rows(METHOD, shift={}), *second])
    methods = [Method(METHOD, RUN), Method(METHOD, "run-2")]
    comparisons = compare_score_tables(table, BASELINE, methods, SPRITE_CONSTANTS, settings=HUNDRED)
    cards = {method: card(method.model) for method in (Method(BASELINE, RUN), *methods)}
    settings: dict[str, Any] = {"suite": SUITE, "horizon": HORIZON, "seed": 0, "score_files": {}, "command": ""}
    record = comparison_record(comparisons, SPRITE_CONSTANTS, cards, not_run={}, **settings)
    assert record.models() == (BASELINE, f"{METHOD} ({RUN})", f"{METHOD} (run-2)")
    del cards[methods[1]]
    with pytest.raises(UserError, match=r"no protocol card of Video-Mirai \(run-2\)"):
        comparison_record(comparisons, SPRITE_CONSTANTS, cards, not_run={}, **settings)


def test_comparisons_with_two_baselines_are_refused(tmp_path: Path) -> None:
    table = score_table(tmp_path, [*score_rows(BASELINE, shift={}), *score_rows(METHOD, shift={})])
    pairs = [(BASELINE, METHOD), (METHOD, BASELINE)]
    comparisons = [compare_score_tables(table, a, [b], SPRITE_CONSTANTS, settings=HUNDRED)[0] for a, b in pairs]
    settings: dict[str, Any] = {"suite": SUITE, "horizon": HORIZON, "seed": 0, "score_files": {}, "command": ""}
    with pytest.raises(UserError, match="different baselines"):
        comparison_record(comparisons, SPRITE_CONSTANTS, {}, not_run={}, **settings)
    with pytest.raises(UserError, match="No method"):
        comparison_record([], SPRITE_CONSTANTS, {}, not_run={}, **settings)


def test_summary_names_stars_by_side_and_counts_the_rest() -> None:
    rows = (
        row("color", difference=5.0),
        row("object_class", difference=-1.0, low=-2.0, high=-0.5),
        row("dynamic_degree", difference=0.1, low=-0.2, high=0.3, star=False),
        row("total", group="aggregate", difference=0.2, low=-0.1, high=0.5, star=False),
    )
    assert summary_sentences(fixed_record(rows=rows, baseline="Base")) == (
        "Video-Mirai against Base on 200 prompts: higher in color (+5.00); lower in object class (-1.00) "
        "(stars: the 95% interval excludes 0); no difference was found in the other one. "
        "SpriteTotal differs by +0.20, interval [-0.10, +0.50], which includes 0: no difference was found.",
    )


def test_summary_shows_as_many_digits_as_a_star_needs() -> None:
    rows = (
        row("color", difference=0.0012, low=0.0003, high=0.002),
        row("total", group="aggregate", difference=-0.0031, low=-0.004, high=-0.0005),
    )
    (sentence,) = summary_sentences(fixed_record(rows=rows))
    assert "higher in color (+0.0012)" in sentence
    assert "SpriteTotal differs by -0.0031, interval [-0.00400, -0.00050], which excludes 0." in sentence


def test_what_was_not_run_is_one_line_with_a_count() -> None:
    assert (
        not_run_text({"aesthetic_quality": "needs\nweights"}, "")
        == "1 dimension not run: needs weights (aesthetic quality)"
    )
    names = [f"dimension_{number}" for number in range(15)]
    alike = not_run_text(dict.fromkeys(names, "needs weights"), "see there")
    assert alike.startswith("15 dimensions not run: needs weights (dimension 0, ")
    assert "see there" not in alike
    different = not_run_text({name: f"needs {name}.pt" for name in names}, "see there")
    assert different.endswith("dimension 14; see there")
    assert "\n" not in different
    assert ".pt" not in different


def test_summary_says_that_no_dimension_differs() -> None:
    calm: dict[str, Any] = {"difference": 0.1, "low": -0.2, "high": 0.3, "star": False}
    rows = (row("color", **calm), row("object_class", **calm), row("total", group="aggregate", **calm))
    (sentence,) = summary_sentences(fixed_record(rows=rows))
    assert "no dimension differs; every 95% interval includes 0 (color and object class)" in sentence


def test_summary_does_not_judge_without_intervals() -> None:
    (sentence,) = summary_sentences(fixed_record(rows=tuple(fixed_record().rows[index] for index in (2, 3, 5))))
    assert "on 1 prompt:" in sentence
    assert "no dimension has an interval" in sentence


def real_record(tmp_path: Path) -> ComparisonRecord:
    table = score_table(tmp_path, [*score_rows(BASELINE, shift={}), *score_rows(METHOD, shift={"color": 0.03})])
    return record_of(table, [METHOD])


def printed(table: Table[ComparisonRow]) -> str:
    console = Console(width=240, record=True, file=io.StringIO())
    console.print(table.rich())
    return console.export_text()
