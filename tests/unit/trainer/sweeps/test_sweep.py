"""Tables of the paper as sweeps: every recipe opens, rows differ in what the table varies, and one runs through."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from probekit.errors import UserError
from probekit.models.causal_card import CausalCard, write_causal_card
from probekit.reporting.comparison_record import ComparisonRecord
from probekit.run_folder.manifest import load_video_set
from tests.helpers.model_folders import write_tiny_model
from tests.helpers.places import REPOSITORY
from tests.helpers.shared_data import SHARED
from tests.helpers.warm_python import WarmChildren
from trainer.cli import app
from trainer.config.causal import CausalOdeConfig
from trainer.config.recipe import BidirectionalConfig, DmdConfig, load_recipe
from trainer.config.sweep import SWEEPS, SweepConfig, SweepRow, find_sweep, find_sweeps, load_sweep
from trainer.engine.checkpoint import newest_checkpoint
from trainer.sweeps.execution import in_order, leaders, run_sweeps
from trainer.sweeps.open_sweep import RowRun, open_sweep, runs_of, trainings_of
from trainer.sweeps.results import compare_finished, finished_runs
from trainer.sweeps.scoring import table_of, videos_of
from trainer.sweeps.status import status_lines, sweep_status

SCALES = ("sprite", "wan")
RECIPES = SWEEPS.parent
SHIPPED = sorted(SWEEPS.glob("*.yaml"))
TABLES = [path for path in SHIPPED if path.stem.startswith("table")]
each_shipped = pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
each_scale = pytest.mark.parametrize("scale", SCALES)


def only(row: SweepRow) -> RowRun:
    """The one training run of a row."""
    return RowRun(row, 0, 1)


def trained_by(row: SweepRow, sweep: SweepConfig) -> list[DmdConfig | CausalOdeConfig]:
    """Every stage of a shipped row with the changes of the row and of the scale."""
    recipes = [load_recipe(stage.recipe, stage.changes) for stage in trainings_of(only(row), SWEEPS, Path(), sweep.set)]
    assert all(isinstance(recipe, DmdConfig | CausalOdeConfig) for recipe in recipes)
    return [recipe for recipe in recipes if isinstance(recipe, DmdConfig | CausalOdeConfig)]


def test_every_table_and_figure_of_the_paper_has_a_sweep() -> None:
    """Tables 1 to 4 and 10 to 14, and the losses of figure 5."""
    found = {path.stem for path in SHIPPED}
    assert found == {"figure05", *(f"table{number:02d}" for number in (1, 2, 3, 4, 10, 11, 12, 13, 14))}
    losses = load_sweep(SWEEPS / "figure05.yaml")
    assert [row.name for row in losses.rows[1:]] == ["cosine", "cosine-sigreg", "mse", "mse-sigreg"]


@each_shipped
def test_a_sweep_is_scored_on_the_suite_of_its_scale(path: Path) -> None:
    sprite, wan = load_sweep(path), load_sweep(path, "wan")
    assert (sprite.suite, sprite.prompts, sprite.samples) == ("sprite-5s", 200, 5)
    assert (wan.suite, wan.prompts, wan.samples) == ("vbench", 946, 5)


@pytest.mark.parametrize("path", [*SHIPPED, *(SWEEPS / "own").glob("*.yaml")], ids=lambda path: path.stem)
def test_no_foresight_and_the_papers_setting_have_five_runs_and_other_rows_two(path: Path) -> None:
    sweep = load_sweep(path)
    counts = {run.row.name: run.runs for run in runs_of(sweep)}
    unchanged = [row.name for row in sweep.rows[1:] if not row.set and not row.then and "causal" not in row.recipe.stem]
    assert len(unchanged) == 1
    main = 3 if path.stem == "foresight" else 5  # its videos are ten times as many
    assert counts == {row.name: main if row.name in ("no-foresight", *unchanged) else 2 for row in sweep.rows}


@each_shipped
def test_a_row_changes_the_same_keys_at_both_scales(path: Path) -> None:
    differing = {"learning_rate", "predictor_heads", "start_step"}
    sprite, wan = load_sweep(path), load_sweep(path, "wan")
    for row, same in zip(sprite.rows, wan.rows, strict=True):
        for here, there in zip(trained_by(row, sprite), trained_by(same, wan), strict=True):
            blocks = [config.foresight and config.foresight.model_dump(exclude=differing) for config in (here, there)]
            assert blocks[0] == blocks[1], row.name


@pytest.mark.parametrize(
    ("name", "scale"),
    [
        ("rivals", "sprite"),
        ("rivals", "wan"),
        ("ceiling", "sprite"),
        ("foresight", "sprite"),
        ("foresight", "wan"),
        ("self-forcing", "sprite"),
        ("self-forcing", "wan"),
    ],
)
def test_questions_of_our_own_change_the_base_or_foresight_alone(name: str, scale: str) -> None:
    path = find_sweep(name)
    sweep = load_sweep(path, scale)
    found = {
        row.name: load_recipe(stage.recipe, stage.changes).model_dump(exclude={"name"})
        for row in sweep.rows
        for stage in trainings_of(only(row), path.parent, Path(), sweep.set)
    }
    first = found["no-foresight"]
    changed = {row: {key for key in first if first[key] != found[row][key]} for row in found}
    scores = {"causal_scores", "real_model", "critic_model"}
    expected = {
        "no-foresight": set(), "foresight": {"foresight"}, "encoder": {"foresight"}, "world": {"foresight"},
        "history": {"history_gradient"}, "history-foresight": {"history_gradient", "foresight"},
        "causal-scores": scores, "causal-scores-foresight": {*scores, "foresight", "base_model"},
    }  # fmt: skip
    assert changed == {row: expected[row] for row in found}
    blocks = [recipe["foresight"] for recipe in found.values() if recipe["foresight"]]
    assert all(block | {"encoder": "real"} == blocks[0] for block in blocks)


@pytest.mark.parametrize("number", [12, 13])
def test_tables_of_stage_two_train_a_thousand_updates_at_wan_size(number: int) -> None:
    sweep = load_sweep(SWEEPS / f"table{number}.yaml", "wan")
    assert {config.steps for row in sweep.rows for config in trained_by(row, sweep)} == {1000}


def test_a_row_trains_with_its_own_changes_and_the_callers_win(tmp_path: Path) -> None:
    row = load_sweep(SWEEPS / "table11.yaml").rows[1]
    assert row.name == "weight-0.1"
    (training,) = trainings_of(only(row), SWEEPS, tmp_path, ["foresight.weight=0.7", "steps=350"])
    assert training.changes == ("name=weight-0.1", "foresight.weight=0.1", "foresight.weight=0.7", "steps=350")
    config = load_recipe(training.recipe, training.changes[:2])
    assert isinstance(config, DmdConfig)
    assert config.foresight is not None
    assert config.foresight.weight == 0.1
    assert "--set foresight.weight=0.1 --set foresight.weight=0.7" in " ".join(training.command(1))


@pytest.mark.parametrize("change", ["foresight.weight=0.7", "foresight={weight: 0.7}"])
@each_scale
@each_shipped
def test_a_change_of_foresight_for_all_rows_gives_it_to_none_that_lacks_it(path: Path, scale: str, change: str) -> None:
    sweep, plain = (open_sweep(path, Path("out"), changes, scale) for changes in ([change, "steps=350"], ["steps=350"]))
    for run in sweep.runs():
        for changed, training in zip(sweep.trainings(run), plain.trainings(run), strict=True):
            recipe, before = (load_recipe(one.recipe, one.changes) for one in (changed, training))
            assert isinstance(recipe, DmdConfig | CausalOdeConfig)
            assert isinstance(before, DmdConfig | CausalOdeConfig)
            assert (recipe.foresight is None) == (before.foresight is None)
            assert recipe.foresight is None or recipe.foresight.weight == 0.7
            assert recipe.steps == 350


@each_scale
def test_every_base_system_has_each_stage_with_and_without_foresight(scale: str) -> None:
    systems = {".": ("ar",), "framewise": ("ar",), "self_forcing": ()}
    for system, first in systems.items():
        for name in (*first, "ode_trajectories", "ode", "ode_foresight", "dmd_baseline", "dmd_foresight"):
            recipe = load_recipe(RECIPES / scale / system / f"{name}.yaml")
            if not isinstance(recipe, BidirectionalConfig):
                assert recipe.chunk_frames == (1 if system == "framewise" else 3)
            if isinstance(recipe, DmdConfig | CausalOdeConfig):
                assert (recipe.foresight is not None) == name.endswith("foresight")
            if isinstance(recipe, CausalOdeConfig):
                assert recipe.clean_context == (system != "self_forcing")


@each_scale
@each_shipped
def test_every_sweep_can_be_planned(path: Path, scale: str, tmp_path: Path) -> None:
    arguments = ["sweep", path.stem, "--scale", scale, "--out", str(tmp_path), "--dry-run"]
    result = CliRunner().invoke(app, [*arguments, "--set", "steps=350", "--set", "seed=4"])
    assert result.exit_code == 0, result.output
    trained = [line for line in result.output.splitlines() if re.match(r"  \w+, \d+ steps: ", line)]
    assert len(trained) == sum(len(run.row.stages) for run in runs_of(load_sweep(path, scale)))
    form = re.compile(r".*, 350 steps: -m trainer train .* --set seed=4( --set seed=[1-4]004)?")
    assert all(form.fullmatch(line) for line in trained)
    assert all(f"recipes/sweeps/../{scale}/" in line for line in trained)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("tables", [["table11"], ["table11", "table04"]])
def test_each_table_has_a_folder_of_its_name_in_out_however_many_there_are(tables: list[str], tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["sweep", *tables, "--out", str(tmp_path), "--dry-run"])
    assert result.exit_code == 0, result.output
    folders = set(re.findall(r"train .* --out (\S+)", result.output))
    trained = {Path(folder) for folder in folders if folder.startswith(str(tmp_path))}
    assert {folder.relative_to(tmp_path).parts[0] for folder in trained} == set(tables)


@pytest.mark.parametrize(
    ("words", "tables"), [(["status", "table11"], 1), (["table11", "--status"], 1), (["status"], 14)]
)
def test_status_has_a_line_for_each_run_and_is_a_word_or_an_option(
    words: list[str], tables: int, tmp_path: Path
) -> None:
    result = CliRunner().invoke(app, ["sweep", *words, "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    paths = [find_sweep("table11")] if tables == 1 else find_sweeps(["all"])
    runs = sum(len(runs_of(load_sweep(path))) for path in paths)
    assert len(paths) == tables
    assert len(result.output.splitlines()) == runs + tables * (1 if tables == 1 else 2)  # a total, and a title
    assert "none, run 2 of 5: dmd_baseline trained 0 of 100 steps" in result.output
    assert list(tmp_path.iterdir()) == []


@each_scale
def test_a_plan_says_what_rows_start_from(scale: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["sweep", "table10", "--scale", scale, "--dry-run"])
    assert re.search(rf"  to do  training of {scale}-frame-ode, .* --out runs/{scale}-frame-ode ", result.output)
    assert "what rows start from" in result.output
    assert ("  yours  " in result.output) == (scale == "wan")
    if scale == "wan":
        with pytest.raises(UserError, match="no command makes"):
            run_sweeps([open_sweep(find_sweep("table10"), tmp_path / "out", scale=scale)])


def test_a_later_stage_starts_from_the_export_before_it_on_as_many_processes() -> None:
    row = SweepRow.model_validate(
        {"name": "both", "label": "", "recipe": "first.yaml", "set": ["seed=1"], "then": ["second.yaml"]}
    )
    first, second = trainings_of(only(row), Path("recipes"), Path("out"), ["steps=1"])
    assert first == (Path("recipes/first.yaml"), Path("out/both.stage-0"), ("name=both", "seed=1", "steps=1"))
    assert second.changes == ("name=both", f"initial_model={Path('out/both.stage-0/export')}", "steps=1")
    assert " -m trainer train recipes/second.yaml --out out/both --set name=both" in " ".join(second.command(1))
    assert " -m torch.distributed.run --standalone --nproc-per-node 8 -m trainer" in " ".join(second.command(8))


def test_what_a_row_sets_belongs_to_the_recipe_it_stands_beside() -> None:
    later = {"recipe": "second.yaml", "set": ["foresight.weight=0.3"]}
    row = SweepRow.model_validate({"name": "both", "label": "", "recipe": "first.yaml", "then": [later]})
    first, second = trainings_of(only(row), Path("recipes"), Path("out"))
    assert first.changes == ("name=both",)
    assert second.changes[-1] == "foresight.weight=0.3"


@each_scale
@each_shipped
def test_every_row_is_a_recipe_that_differs_from_the_others(path: Path, scale: str) -> None:
    sweep = load_sweep(path, scale)
    configs = [[config.model_dump(exclude={"name", "initial_model"}) for config in trained_by(row, sweep)]
               for row in sweep.rows]  # fmt: skip
    assert all(one not in configs[:index] for index, one in enumerate(configs))
    first = configs[0][-1]
    assert first["foresight"] is None
    for others in configs[1:]:
        assert any(config["foresight"] is not None for config in others)
        if len(others) == 1:
            assert {key for key in first if first[key] != others[0][key]} <= {"foresight", "real_model", "base_model"}


@pytest.mark.skipif(not SHARED.is_dir(), reason="the paper's tables are not here")
@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_the_papers_numbers_are_copied_right(path: Path) -> None:
    (source,) = (SHARED / "paper" / "tables").glob(f"{path.stem}_*.csv")
    with source.open() as file:
        expected = [tuple(float(row[key]) for key in ("quality", "semantic", "total")) for row in csv.DictReader(file)]
    found = [row.paper for row in load_sweep(path).rows]
    assert [(paper.quality, paper.semantic, paper.total) for paper in found if paper] == expected


def test_runs_of_one_number_share_a_seed_and_the_first_of_every_row_comes_first(tmp_path: Path) -> None:
    (tmp_path / "five.yaml").write_text(
        "title: t\nsource: s\nseeds: 2\nmore_seeds: {plain: 3}\nrows:\n"
        '  - {name: plain, label: none, recipe: "../{scale}/dmd_baseline.yaml"}\n'
        '  - {name: ours, label: ours, recipe: "../{scale}/dmd_foresight.yaml"}\n'
    )
    sweep = load_sweep(tmp_path / "five.yaml")
    runs = runs_of(sweep)
    assert [run.folder.as_posix() for run in runs] == [
        "plain",
        "ours",
        "_runs/1/plain",
        "_runs/1/ours",
        "_runs/2/plain",
    ]
    assert runs[3].label == "ours, run 2 of 2"
    recipes = [
        load_recipe(stage.recipe, stage.changes)
        for run in runs
        for stage in trainings_of(run, SWEEPS, tmp_path, ["steps=20"])
    ]
    base = load_recipe(RECIPES / "sprite" / "dmd_baseline.yaml").seed
    assert [recipe.seed - base for recipe in recipes] == [0, 0, 1000, 1000, 2000]
    assert [recipe.name for recipe in recipes] == ["plain", "ours", "plain", "ours", "plain"]  # runs of one model
    assert [len(runs_of(sweep.with_seeds(seeds))) for seeds in (None, 1, 4)] == [5, 2, 8]


def test_more_seeds_of_a_row_that_is_not_there_are_refused(tmp_path: Path) -> None:
    rows = "rows:\n  - {name: a, label: a, recipe: a.yaml}\n  - {name: b, label: b, recipe: a.yaml}\n"
    (tmp_path / "mine.yaml").write_text(f"title: t\nsource: s\nmore_seeds: {{c: 2}}\n{rows}")
    with pytest.raises(UserError, match="more_seeds names 'c'"):
        load_sweep(tmp_path / "mine.yaml")


def test_every_suite_has_a_table_of_its_own(tmp_path: Path) -> None:
    rows = "rows:\n  - {name: a, label: a, recipe: a.yaml}\n  - {name: b, label: b, recipe: a.yaml}\n"
    (tmp_path / "mine.yaml").write_text(f"title: t\nsource: s\nmore_suites: [{{suite: sprite-30s}}]\n{rows}")
    sweep = load_sweep(tmp_path / "mine.yaml")
    folders = [table_of(Path("out"), sweep, scored).name for scored in sweep.suites]
    assert folders == ["table", "table-sprite-30s"]
    runs = [videos_of(runs_of(sweep)[1], Path("out"), sweep, scored) for scored in sweep.suites]
    assert runs == [Path("out/b/videos"), Path("out/b/videos-sprite-30s")]
    (tmp_path / "mine.yaml").write_text(f"title: t\nsource: s\nmore_suites: [{{suite: sprite-5s}}]\n{rows}")
    with pytest.raises(UserError, match="Name every suite once"):
        load_sweep(tmp_path / "mine.yaml")


def test_a_scale_has_suites_of_its_own(tmp_path: Path) -> None:
    rows = "rows:\n  - {name: a, label: a, recipe: a.yaml}\n  - {name: b, label: b, recipe: a.yaml}\n"
    own = "scales: {sprite: {prompts: 7, more_suites: [{suite: sprite-30s, prompts: 2}]}, wan: {suite: vbench}}\n"
    (tmp_path / "mine.yaml").write_text(f"title: t\nsource: s\n{own}{rows}")
    suites = {scale: load_sweep(tmp_path / "mine.yaml", scale).suites for scale in ("sprite", "wan")}
    assert [(one.suite, one.prompts) for one in suites["sprite"]] == [("sprite-5s", 7), ("sprite-30s", 2)]
    assert [(one.suite, one.prompts) for one in suites["wan"]] == [("vbench", 100)]


def test_a_seed_that_is_set_moves_with_the_run() -> None:
    row = SweepRow(name="one", label="", recipe=Path("../sprite/dmd_baseline.yaml"))
    (training,) = trainings_of(RowRun(row, 2, 3), SWEEPS, Path("out"), ["seed=40"])
    assert load_recipe(training.recipe, training.changes).seed == 2040
    assert training.folder == Path("out/_runs/2/one")


@pytest.mark.long
def test_a_sweep_trains_scores_compares_and_repeats_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    children = WarmChildren(tmp_path / "children")
    monkeypatch.setattr("trainer.sweeps.logged_commands.run_child", children.run_child)
    monkeypatch.setattr(
        "trainer.commands.chain.recipes_by_run", lambda scale: {"tiny-source": tmp_path / "source.yaml"}
    )
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))  # the server of children may start in this folder
    monkeypatch.chdir(tmp_path)
    student, shared = tiny_recipe(tmp_path)
    (tmp_path / "source.yaml").write_text(f"{shared}name: tiny-source\ninitial_model: {student}\n")
    (tmp_path / "base.yaml").write_text(f'{shared}initial_model: "{{work}}/runs/tiny-source/export"\n')
    (tmp_path / "ours.yaml").write_text("extends: base.yaml\nforesight: {predictor_heads: 1, predictor_blocks: 1}\n")
    (tmp_path / "tiny.yaml").write_text(
        "title: Tiny\nsource: nothing\nprompts: 6\nmore_suites: [{suite: sprite-30s, prompts: 2}]\n"
        "readings: {prompts: 20, site: blocks.0@step3, horizons: [1], batches: 4, runs: 1, "
        f"encoder: '{tmp_path / 'real_model'}'}}\nrows:\n"
        "  - {name: plain, label: none, recipe: base.yaml, paper: {quality: 1, semantic: 2, total: 3}}\n"
        "  - {name: twice, label: two stages, recipe: base.yaml, then: [ours.yaml]}\n"
    )
    assert status(tmp_path) == ["none: base trained 0 of 1 steps", "two stages: base trained 0 of 1 steps", "0 of 2"]
    record = run_one(tmp_path, jobs=2)
    assert {row.method.split(" ")[0] for row in record.rows} == {"twice"}
    table = (tmp_path / "out" / "table" / "sweep.md").read_text()
    assert "| none |" in table
    assert "| two stages |" in table
    long = (tmp_path / "out" / "table-sprite-30s" / "sweep.md").read_text()
    assert "2 prompts of sprite-30s." in long
    assert ("paper: Total" in table, "paper: Total" in long) == (True, False), "the paper's rows are of short videos"
    assert len(load_video_set(tmp_path / "out" / "plain" / "videos-sprite-30s").rows) == 2
    read = pd.read_csv(tmp_path / "out" / "table" / "readings.csv")
    assert set(read.row) == {"none", "two stages"}
    assert "cosine of foresight's and the score's gradient" in set(read.reading[read.row == "two stages"])
    assert "CKA with the encoder 1 chunk ahead" in set(read.reading[read.row == "none"])
    assert read[read.reading == "error of the frame 1 chunk ahead"].value.gt(0).all()
    source = tmp_path / "runs" / "tiny-source" / "export" / "model_index.json"
    made = source.stat().st_mtime_ns
    exported = tmp_path / "out" / "twice" / "export" / "transformer" / "diffusion_pytorch_model.safetensors"
    written = exported.stat().st_mtime_ns
    run_one(tmp_path)
    assert exported.stat().st_mtime_ns == written
    done = "trained, sampled and scored"
    assert status(tmp_path) == [f"none: {done}", f"two stages: {done}", "2 of 2"]
    assert status(tmp_path, 2)[2:] == [
        "none, run 2 of 2: base trained 0 of 1 steps", "two stages, run 2 of 2: base trained 0 of 1 steps", "2 of 4",
    ]  # fmt: skip
    both = run_one(tmp_path, seeds=2)
    assert exported.stat().st_mtime_ns == written
    assert both.settings.resampling == "paired-runs"
    whole = (tmp_path / "out" / "table" / "sweep.md").read_text()
    assert "Training runs: none 2, two stages 2." in whole
    part = compare_finished(open_sweep(tmp_path / "tiny.yaml", tmp_path / "out", seeds=3))
    assert part.rows == both.rows
    found = (tmp_path / "out" / "table" / "sweep.md").read_text()
    assert "**Runs that are not finished: none 1, two stages 1.**" in found
    assert (
        whole.partition("## What training took")[0].splitlines()[4:] == found.partition("## What")[0].splitlines()[4:]
    )
    assert status(tmp_path, 2)[-1] == "4 of 4"
    assert source.stat().st_mtime_ns == made
    stored = next((tmp_path / "out" / "plain" / "videos" / "scores").glob("*.parquet"))
    table = pq.read_table(stored)
    pq.write_table(table.filter(pc.field("prompt_id") != table["prompt_id"][0]), stored)  # as a kill leaves them
    first = sweep_status(open_sweep(tmp_path / "tiny.yaml", tmp_path / "out", seeds=2))[0]
    assert first.state == "trained and sampled; not scored of sprite-5s"
    stored.unlink()  # as scoring leaves it before its first video
    first = sweep_status(open_sweep(tmp_path / "tiny.yaml", tmp_path / "out", seeds=2))[0]
    assert first.state == "trained and sampled; not scored of sprite-5s"
    assert run_one(tmp_path, seeds=2).rows == both.rows
    other = (tmp_path / "tiny.yaml").read_text().replace("name: plain", "name: same").replace("Tiny", "Another table")
    (tmp_path / "other.yaml").write_text(other)

    def without_training(module: str, arguments: Sequence[str], **options: object) -> int:
        assert tuple([module, *arguments][:2]) != ("trainer", "train")
        return children.run_child(module, arguments, **options)

    monkeypatch.setattr("trainer.sweeps.logged_commands.run_child", without_training)
    assert run_one(tmp_path, seeds=2).rows == both.rows
    (again,) = run_sweeps([open_sweep(tmp_path / "other.yaml", tmp_path / "beside", seeds=2)])
    assert [row.difference for row in again.rows] == [row.difference for row in both.rows]
    moved = tmp_path / "moved"
    shutil.copytree(tmp_path / "out", moved, ignore=shutil.ignore_patterns("checkpoints", "*.mp4"))
    assert compare_finished(open_sweep(tmp_path / "tiny.yaml", moved, seeds=2)).rows == both.rows
    assert all(one.finished for one in sweep_status(open_sweep(tmp_path / "tiny.yaml", moved, seeds=2)))
    shutil.rmtree(tmp_path / "runs" / "tiny-source")
    (still,) = run_sweeps([open_sweep(tmp_path / "tiny.yaml", moved, seeds=2)])
    assert still.rows == both.rows
    assert not (tmp_path / "runs" / "tiny-source").exists(), "what finished runs began from was made again"


def test_a_run_behind_one_that_is_missing_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are pairs by their numbers, so that the third cannot stand in for the second."""
    sweep = open_sweep(SWEEPS / "table11.yaml", Path("out"), seeds=3)
    scored = {"no-foresight": (0, 1, 2), "weight-0.1": (0, 2), "weight-0.2": (1, 2)}
    there = {Path("out") / run.folder / "videos" for run in sweep.runs() if run.number in scored.get(run.row.name, ())}
    monkeypatch.setattr("trainer.sweeps.results.is_finished", lambda videos, suite: videos in there)
    found = [(run.row.name, run.number) for run in finished_runs(sweep, sweep.config.suites[0])]
    assert sorted(found) == [("no-foresight", 0), ("no-foresight", 1), ("no-foresight", 2), ("weight-0.1", 0)]
    with pytest.raises(UserError, match="no finished run of 'none' and of another row"):
        compare_finished(sweep._replace(out=tmp_path))


@pytest.mark.long
def test_a_sweep_that_is_ended_lets_its_training_save_every_step_first(tmp_path: Path) -> None:
    """Also where the signal reaches the sweep alone."""
    student, shared = tiny_recipe(tmp_path)
    (tmp_path / "base.yaml").write_text(f"{shared}initial_model: {student}\n")
    endless = "recipe: base.yaml, set: [steps=9000, checkpoint_every=9000]"
    (tmp_path / "tiny.yaml").write_text(
        f"title: t\nsource: s\nrows:\n  - {{name: a, label: a, {endless}}}\n  - {{name: b, label: b, {endless}}}\n"
    )
    command = [sys.executable, "-m", "trainer", "sweep", "tiny.yaml", "--out", "out"]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    sweep = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    run = tmp_path / "out" / "tiny" / "a"
    deadline = time.monotonic() + 300
    while not (run / "metrics.jsonl").is_file() or len((run / "metrics.jsonl").read_text().splitlines()) < 3:
        assert sweep.poll() is None, sweep.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.1)
    sweep.terminate()
    assert sweep.wait() == 143
    newest = newest_checkpoint(run / "checkpoints")
    assert newest is not None
    logged = (run / "metrics.jsonl").read_text().splitlines()
    assert newest.steps_done >= json.loads(logged[-1])["step"]
    assert not (tmp_path / "out" / "tiny" / "b" / "metrics.jsonl").exists()


def tiny_recipe(folder: Path) -> tuple[Path, str]:
    """A student, and a recipe of one step without it, over tiny models."""
    student = write_tiny_model(folder / "student")
    write_causal_card(
        student, CausalCard(role="ode_student", chunk_frames=3, shift=5.0, few_steps=(1000, 750, 500, 250))
    )
    scores = {
        key: write_tiny_model(folder / key, seed=seed) for seed, key in enumerate(("real_model", "critic_model"), 1)
    }
    sizes = "\n".join(f"{key}: {place}" for key, place in scores.items())
    shared = f"{sizes}\nlatent_frames: 6\nbatch_size: 2\nsteps: 1\ncritic_updates: 1\n"
    shared += "optimizer: {warmup_steps: 0}\ncheckpoint_every: 1\n"
    return student, f"extends: {RECIPES / 'sprite' / 'dmd_baseline.yaml'}\n{shared}"


def run_one(folder: Path, jobs: int = 1, seeds: int | None = None) -> ComparisonRecord:
    (record,) = run_sweeps([open_sweep(folder / "tiny.yaml", folder / "out", seeds=seeds)], jobs)
    return record


def test_what_several_tables_share_is_trained_first_and_once() -> None:
    """Of all shipped sweeps: whole chains, by recipe and seed, whatever their rows are called."""
    sweeps = [open_sweep(path, Path("runs") / path.stem) for path in find_sweeps(["all"])]
    runs = [(sweep, run) for sweep in sweeps for run in sweep.runs()]
    first = leaders(runs)
    shared = [runs[number] for number, leader in enumerate(first) if leader == 1]
    assert runs[1][1].row.name == "foresight"
    assert [(sweep.out.name, run.row.name) for sweep, run in shared] == [
        ("table01", "current-and-next"), ("table11", "weight-0.2"), ("table14", "stage-3"), ("table04", "real"),
        ("table02", "dit-3"), ("table03", "depth-0.5"), ("figure05", "cosine"), ("rivals", "foresight"),
        ("ceiling", "encoder"),
    ]  # fmt: skip
    trained = [runs[number] for number, leader in enumerate(first) if leader is None]
    by_table = {sweep.out.name: [run.row.name for other, run in trained if other is sweep] for sweep in sweeps}
    assert by_table["table11"] == ["weight-0.1", "weight-0.3"] * 2
    assert by_table["table14"] == ["stage-2", "both"] * 2
    assert by_table["table13"] == ["ema", "base"] * 2
    assert len(by_table["table10"]) == 16  # a chain of its own, frame by frame
    assert find_sweeps(["table11", "all"])[0].stem == "table11"
    shipped = {path.stem for path in [*SHIPPED, *(SWEEPS / "own").glob("*.yaml")]}
    assert {path.stem for path in find_sweeps(["all"])} == shipped


@given(st.data(), st.integers(1, 5))
def test_work_is_done_once_in_its_order_and_after_what_it_waits_for(data: st.DataObject, jobs: int) -> None:
    count = data.draw(st.integers(0, 12))
    after = [data.draw(st.none() | st.integers(0, number - 1)) if number else None for number in range(count)]
    began, ended = list[int](), list[int]()

    def work(number: int) -> None:
        began.append(number)
        assert after[number] is None or after[number] in ended
        ended.append(number)

    in_order(after, jobs, work)
    assert sorted(began) == list(range(count))
    if jobs == 1:
        assert began == list(range(count))


def test_work_that_fails_ends_the_rest_with_its_error() -> None:
    done = list[int]()

    def work(number: int) -> None:
        if number == 1:
            raise UserError("The second one failed.", "Mend it.")
        done.append(number)

    with pytest.raises(UserError, match="second one failed"):
        in_order([None] * 5, 1, work)
    assert done == [0]


def status(folder: Path, seeds: int | None = None) -> list[str]:
    """The lines without their times."""
    found = sweep_status(open_sweep(folder / "tiny.yaml", folder / "out", seeds=seeds))
    assert sum(one.seconds > 0 for one in found) == sum(one.finished for one in found)
    return [line.rpartition(";")[0].removesuffix(" runs are finished") for line in status_lines(found)]


def test_rows_that_would_share_a_run_folder_are_refused(tmp_path: Path) -> None:
    rows = "".join(f"  - {{name: {name}, label: x, recipe: a.yaml}}\n" for name in ("mse", "MSE"))
    (tmp_path / "mine.yaml").write_text(f"title: t\nsource: s\nrows:\n{rows}")
    with pytest.raises(UserError, match="every row a name of its own"):
        load_sweep(tmp_path / "mine.yaml")


def test_an_unknown_sweep_names_those_that_exist() -> None:
    with pytest.raises(UserError, match="table11"):
        find_sweep("table99")


def test_a_scale_that_a_sweep_does_not_name_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["sweep", "table11", "--scale", "wann", "--out", str(tmp_path), "--dry-run"])
    assert result.exit_code == 2
    assert "wann" in result.output
    assert "sprite, wan" in result.output


def test_a_misspelt_key_in_a_rows_changes_names_the_nearest_key(tmp_path: Path) -> None:
    sweep = tmp_path / "mine.yaml"
    recipe = RECIPES / "sprite" / "dmd_foresight.yaml"
    sweep.write_text(
        f"title: Mine\nsource: none\nrows:\n  - {{name: a, label: a, recipe: {recipe}}}\n"
        f"  - {{name: b, label: b, recipe: {recipe}, set: [foresight.wieght=0.1]}}\n"
    )
    result = CliRunner().invoke(app, ["sweep", str(sweep), "--out", str(tmp_path / "out"), "--dry-run"])
    assert result.exit_code == 2
    assert "foresight.weight" in result.output
