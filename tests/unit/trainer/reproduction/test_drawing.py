"""Tables and figures are drawn from stored results alone; what is missing is named; small runs say so."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from matplotlib.image import imread

from probekit.errors import UserError
from probekit.probing.future_experiment import StateFutures
from probekit.reporting.comparison_io import read_comparison, write_comparison
from probekit.reporting.comparison_record import ComparisonRow
from probekit.reporting.future_figures import future_rows
from probekit.reporting.future_pictures import PICTURES_FILE, pictures_of, read_pictures, write_pictures
from probekit.reporting.paper_reference import paper_rows, printed
from probekit.rollout.generation_runner import Request as VideoRequest
from probekit.run_folder.sample_key import SampleKey
from probekit.suites.registry import load_suite
from tests.helpers.places import REPOSITORY
from tests.helpers.scored_runs import write_runs
from tests.helpers.shared_data import SHARED
from trainer.reproduction.drawing import draw_target
from trainer.reproduction.request import Request
from trainer.reproduction.results import contrasts_of
from trainer.reproduction.standing import direction, small_mark, standing

STORED = REPOSITORY / "reports" / "sprite"
PAPER = {6: "short_and_long_consistency", 7: "training_cost", 8: "vbench_quality_dimensions",
         9: "vbench_semantic_dimensions"}  # fmt: skip


def copied(out: Path, *names: str) -> Request:
    """A request whose folder holds some of the stored results."""
    for name in names:
        shutil.copytree(STORED / name, out / name)
    return Request("sprite", out)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.skipif(not SHARED.is_dir(), reason="the paper's tables are not here")
@pytest.mark.parametrize("number", PAPER)
def test_the_papers_tables_are_copied_right(number: int) -> None:
    assert paper_rows(number) == rows_of(SHARED / "paper" / "tables" / f"table{number:02d}_{PAPER[number]}.csv")
    assert printed("") is None
    assert printed("13.7") == 13.7


@pytest.mark.parametrize(("target", "table"), [("table08", 8), ("table09", 9)])
def test_dimensions_stand_beside_the_papers_at_both_horizons(target: str, table: int, tmp_path: Path) -> None:
    request = copied(tmp_path, "5s", "30s")
    paths = draw_target(target, request)
    assert {path.suffix for path in paths} == {".csv", ".md", ".tex"}
    drawn = rows_of(tmp_path / target / f"{target}.csv")
    last = {8: "quality", 9: "semantic"}[table]
    for horizon in ("5s", "30s"):
        record = read_comparison(tmp_path / horizon)
        ours = {row.quantity.replace("_", " "): row for row in record.rows}
        own = [row for row in drawn if row["videos"] == horizon]
        for column, value in next(row for row in paper_rows(table) if row["horizon"] == horizon).items():
            if column not in ("horizon", "method") and value and column != last:
                (found,) = (row for row in own if row["quantity"] == column.replace("_", " "))
                assert float(found["paper_without"]) == float(value)
                if column.replace("_", " ") in ours:
                    assert float(found["difference"]) == pytest.approx(
                        ours[column.replace("_", " ")].difference, abs=1e-6
                    )
        assert own[-1]["quantity"] == f"Sprite{last.capitalize()}"
    text = (tmp_path / target / f"{target}.md").read_text(encoding="utf-8")
    assert "not comparable" in text
    assert "sign only" in text
    assert "SMALL RUN" not in text


def test_a_horizon_that_was_not_run_stays_empty_and_is_named(tmp_path: Path) -> None:
    request = copied(tmp_path, "5s")
    draw_target("table08", request)
    drawn = rows_of(tmp_path / "table08" / "table08.csv")
    assert all(row["difference"] == "" for row in drawn if row["videos"] == "30s")
    assert all(row["paper_without"] for row in drawn if row["quantity"] == "subject consistency")
    assert f"Not run, so empty: {tmp_path / '30s'}" in (tmp_path / "table08" / "table08.md").read_text().replace(
        "\\", ""
    )


def test_consistency_of_each_base_system_has_the_papers_pair(tmp_path: Path) -> None:
    draw_target("table06", copied(tmp_path, "5s", "30s"))
    drawn = rows_of(tmp_path / "table06" / "table06.csv")
    assert len(drawn) == 18
    first = drawn[0]
    assert (first["videos"], first["quantity"]) == ("Self-Forcing (chunk-wise), 5s", "subject consistency")
    assert (float(first["paper_without"]), float(first["paper_with"]), first["difference"]) == (96.18, 96.77, "")
    chunkwise = [row for row in drawn if row["videos"].startswith("Causal-Forcing (chunk-wise)")]
    assert all(row["difference"] for row in chunkwise)


def test_rows_of_a_sweep_stand_beside_the_papers(tmp_path: Path) -> None:
    effects = {"no-foresight": 0.0, "weight-0.1": 0.01, "weight-0.2": 0.03, "weight-0.3": 0.02}
    write_runs(tmp_path / "runs", "table11", tmp_path / "table11", effects, 1)
    draw_target("table11", Request("sprite", tmp_path))
    drawn = rows_of(tmp_path / "table11" / "table11.csv")
    assert [row["paper_total"] for row in drawn] == [f"{value:.6f}" for value in (83.82, 84.15, 84.62, 84.45)]
    assert float(drawn[2]["paper_difference"]) == pytest.approx(0.80)
    assert drawn[0]["difference"] == ""
    totals = [row for row in read_comparison(tmp_path / "table11").rows if row.quantity == "total"]
    assert [float(row["difference"]) for row in drawn[1:]] == [
        pytest.approx(one.difference, abs=1e-6) for one in totals
    ]


def test_the_significance_table_says_that_the_papers_numbers_are_lost(tmp_path: Path) -> None:
    draw_target("table15", copied(tmp_path, "5s"))
    drawn = rows_of(tmp_path / "table15" / "table15.csv")
    assert [row["quantity"] for row in drawn] == ["SpriteQuality", "SpriteSemantic", "SpriteTotal"]
    assert all(row["paper_with"] == "" and row["low"] for row in drawn)
    assert "are lost in the text" in (tmp_path / "table15" / "table15.md").read_text()


def test_a_table_of_fewer_prompts_says_so_first(tmp_path: Path) -> None:
    record = read_comparison(STORED / "5s")
    cards = {
        name: card.model_copy(update={"prompts": card.prompts.model_copy(update={"n_prompts": 6})})
        for name, card in record.protocols.items()
    }
    write_comparison(tmp_path / "5s", record.model_copy(update={"protocols": cards}))
    draw_target("table15", Request("sprite", tmp_path))
    text = (tmp_path / "table15" / "table15.md").read_text(encoding="utf-8")
    assert "SMALL RUN: 6 of 200 prompts" in text
    assert "SMALL RUN" in (tmp_path / "table15" / "table15.tex").read_text(encoding="utf-8")


@pytest.mark.long
def test_probe_figures_are_drawn_in_three_formats_at_print_resolution(tmp_path: Path) -> None:
    paths = draw_target("appendixF", copied(tmp_path, "probes"))
    assert [path.name for path in paths] == ["appendixF.png", "appendixF.svg", "appendixF.pdf"]
    height, width = imread(paths[0]).shape[:2]
    assert width > 300 * 7
    assert height > 300 * 4


@pytest.mark.long
def test_probes_of_many_sites_are_drawn_and_cells_without_a_value_left_out(tmp_path: Path) -> None:
    """The stored study has a copy of the present frame, whose decibels at horizon 0 have no value."""
    shutil.copytree(STORED / "probing" / "probes" / "frame", tmp_path / "probes")
    stored = rows_of(tmp_path / "probes" / "contrasts.csv")
    empty = [row for row in stored if not row["a"] or not row["b"]]
    found = contrasts_of(tmp_path / "probes" / "contrasts.csv")
    assert len(found) == len(stored) - len(empty) < len(stored)
    paths = draw_target("figure05", Request("sprite", tmp_path))
    assert [path.name for path in paths] == [f"figure05-right{suffix}" for suffix in (".png", ".svg", ".pdf")]


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    for target, file in (
        ("table01", "table01/comparison.json"), ("figure06", "futures/pictures.npz"), ("cost", "cost/cost.json"),
        ("appendixF", "probes/contrasts.csv"), ("table08", "5s/comparison.json"),
    ):  # fmt: skip
        with pytest.raises(UserError) as refused:
            draw_target(target, Request("sprite", tmp_path))
        assert str(tmp_path / file) in refused.value.problem
    assert list(tmp_path.iterdir()) == []


def test_videos_that_are_not_kept_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no videos"):
        draw_target("figure02", copied(tmp_path, "5s"))


def state(seed: int, prompt: str) -> StateFutures:
    rng = np.random.default_rng(seed)
    videos = rng.integers(0, 256, (5, 9, 6, 6, 3)).astype(np.uint8)
    readouts = {horizon: np.full((6, 6, 3), 40 * horizon, np.uint8) for horizon in (1, 2)}
    return StateFutures(VideoRequest(SampleKey("s", "p", 0), prompt), videos, (2, 5, 8), 0, readouts, 3)


def test_stored_pictures_draw_the_row_that_the_rollout_draws(tmp_path: Path) -> None:
    states = {"base": state(0, "a prompt"), "ours": state(1, "a prompt")}
    write_pictures(
        tmp_path / PICTURES_FILE, [one for arm, own in states.items() for one in pictures_of(arm, own, (1, 2))]
    )
    found = [one.row() for one in read_pictures(tmp_path / PICTURES_FILE)]
    wanted = future_rows(states, (1, 2))
    assert [row.label for row in found] == [row.label for row in wanted]
    for ours, theirs in zip(found, wanted, strict=True):
        for one, other in zip(ours.pictures, theirs.pictures, strict=True):
            np.testing.assert_array_equal(one, other)
    (tmp_path / PICTURES_FILE).write_bytes(b"PK\x03\x04 half")
    with pytest.raises(UserError, match="holds no pictures"):
        read_pictures(tmp_path / PICTURES_FILE)


@pytest.mark.long
@pytest.mark.parametrize("target", ["figure01", "figure06"])
def test_figures_of_futures_are_drawn_from_stored_pictures(target: str, tmp_path: Path) -> None:
    pictures = [
        one for arm, seed in (("base", 0), ("ours", 1)) for prompt in ("a", "b")
        for one in pictures_of(arm, state(seed, prompt), (1, 2))
    ]  # fmt: skip
    write_pictures(tmp_path / "futures" / PICTURES_FILE, pictures)
    assert [path.suffix for path in draw_target(target, Request("sprite", tmp_path))] == [".png", ".svg", ".pdf"]


def difference(value: float | None, *, star: bool) -> ComparisonRow:
    return ComparisonRow(
        quantity="total", group="aggregate", method="m", baseline_mean=0.0, method_mean=value, difference=value,
        standard_error=1.0, low=None, high=None, star=star, n_prompts=9, baseline_videos=None, method_videos=None,
        reason=None,
    )  # fmt: skip


@given(st.floats(-9, 9).filter(bool), st.floats(-9, 9).filter(bool), st.booleans())
def test_a_direction_is_open_unless_the_interval_excludes_zero(ours: float, paper: float, star: bool) -> None:
    found = direction(difference(ours, star=star), paper)
    assert found == ("open" if not star else "same" if (ours > 0) == (paper > 0) else "opposite")
    assert direction(None, paper) == direction(difference(None, star=False), paper) == ""
    assert direction(difference(ours, star=star), None) == ""


@example(200, 5, 60)
@given(st.integers(1, 200), st.integers(1, 5), st.integers(1, 60))
def test_a_run_is_small_exactly_if_anything_is_less_than_planned(prompts: int, samples: int, steps: int) -> None:
    mark = small_mark([(200, 5), (prompts, samples)], load_suite("sprite-5s"), [(60, 60), (steps, 60)])
    assert (mark is None) == ((prompts, samples, steps) == (200, 5, 60))
    assert (f"{steps} of 60 updates" in (mark or "")) == (steps < 60)


def test_only_a_full_run_in_the_papers_unit_compares() -> None:
    assert standing(True, False).score == standing(True, False).difference == "comparable"
    assert standing(False, False).difference == "sign only"
    assert {standing(unit, True).difference for unit in (True, False)} == {"not comparable"}
