"""Paths in a recipe lead to the same places from any working folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from probekit.errors import UserError
from tests.helpers.model_folders import write_tiny_model
from tests.helpers.places import REPOSITORY
from trainer.cli import app
from trainer.config.places import RECIPES, recipe_file, recipe_text
from trainer.config.recipe import StageConfig, load_recipe
from trainer.config.sweep import load_sweep
from trainer.engine.loop import _same_configuration


def trainer(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], terminal_width=200)


def shipped() -> list[Path]:
    return sorted(path for scale in ("sprite", "wan") for path in (RECIPES / scale).rglob("*.yaml"))


@pytest.mark.parametrize("recipe", shipped(), ids=lambda path: str(path.relative_to(RECIPES)))
def test_a_shipped_recipe_says_the_same_from_any_folder(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if recipe.name == "bidirectional.yaml":
        pytest.skip("what two recipes share, and no recipe by itself")
    monkeypatch.chdir(REPOSITORY)
    here = load_recipe(recipe.relative_to(REPOSITORY))
    monkeypatch.chdir(tmp_path)
    assert load_recipe(recipe) == here
    assert load_recipe(recipe.relative_to(RECIPES).with_suffix("")) == here  # by its name
    assert load_recipe(recipe.relative_to(REPOSITORY)) == here  # as the documents name it


@pytest.mark.parametrize("name", ["sprite/dmd_baseline", "wan/dmd_foresight", "sprite/ode_trajectories"])
def test_a_shipped_recipe_is_described_from_an_empty_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = trainer("describe", RECIPES / f"{name}.yaml")
    assert result.exit_code == 0, result.output


def test_paths_of_a_recipe_are_relative_to_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    (project / "base").mkdir(parents=True)
    elsewhere.mkdir()
    write_tiny_model(project / "student")
    (project / "base" / "base.yaml").write_text(
        (RECIPES / "sprite" / "dmd_baseline.yaml").read_text() + "prompts: prompts.txt\n"
    )
    recipe = project / "mine.yaml"
    recipe.write_text("extends: base/base.yaml\nname: mine\ninitial_model: student\n")
    found = []
    for folder, path in ((project, Path("mine.yaml")), (elsewhere, recipe), (elsewhere, Path("../project/mine.yaml"))):
        monkeypatch.chdir(folder)
        found.append(load_recipe(path))
    first = found[0]
    assert all(config == first for config in found)
    assert first.initial_model == str(project / "student")  # type: ignore[union-attr]
    assert first.prompts == project / "base" / "prompts.txt"  # type: ignore[union-attr]
    assert first.real_model == "sprite-large"  # type: ignore[union-attr]


def test_a_path_of_the_working_folder_is_refused_with_the_way_to_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "recipes").mkdir()
    recipe = tmp_path / "recipes" / "mine.yaml"
    recipe.write_text((RECIPES / "sprite" / "ar.yaml").read_text().replace('"{work}/runs/sprite-latents"', "clips"))
    monkeypatch.chdir(tmp_path)
    assert load_recipe(recipe).data == recipe.parent / "clips"  # type: ignore[union-attr]
    (tmp_path / "clips").mkdir()
    with pytest.raises(UserError, match=r'data: clips is relative to the recipe.*Write "\{work\}/clips"'):
        load_recipe(recipe)
    assert load_recipe(recipe, ["data=clips"]).data == Path("clips")  # type: ignore[union-attr]
    (tmp_path / "recipes" / "clips").mkdir()
    assert load_recipe(recipe).data == recipe.parent / "clips"  # type: ignore[union-attr]


def test_a_shipped_name_is_the_shipped_model_wherever_a_folder_of_that_name_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sprite-ode").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load_recipe(RECIPES / "sprite" / "dmd_baseline.yaml").initial_model == "sprite-ode"  # type: ignore[union-attr]


def test_a_runs_own_configuration_is_a_recipe_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    overrides = ["initial_model=models/mine", "data=runs/clips", "text_and_codec=sprite-base"]
    (tmp_path / "models").mkdir()
    config = load_recipe(RECIPES / "sprite" / "ar.yaml", overrides)
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    written = tmp_path / "runs" / "mine" / "config.yaml"
    written.write_text(recipe_text(config))
    assert load_recipe(written) == config
    assert _same(written.read_text(), config)
    older = written.read_text().replace("{work}/", "")  # as versions wrote it before paths were marked
    assert _same(older, config)


def _same(stored: str, config: object) -> bool:
    assert isinstance(config, StageConfig)
    return _same_configuration(stored, config)


def test_a_sweeps_own_paths_are_relative_to_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = tmp_path / "sweeps" / "mine.yaml"
    sweep.parent.mkdir()
    (sweep.parent / "prompts.txt").write_text("a red circle\n")
    row = "  - {{name: {0}, label: x, recipe: ../a.yaml, set: [prompts=prompts.txt, steps=3]}}\n"
    sweep.write_text("title: t\nsource: s\nset: [real_model=sprite-large]\nrows:\n" + row.format("a") + row.format("b"))
    monkeypatch.chdir(tmp_path)
    read = load_sweep(sweep)
    assert read.rows[0].set == (f"prompts={sweep.parent / 'prompts.txt'}", "steps=3")
    assert read.set == ("real_model=sprite-large",)


def test_a_recipe_that_is_nowhere_names_the_shipped_ones() -> None:
    with pytest.raises(UserError, match=r"There is no recipe nowhere\.yaml.*sprite/dmd_baseline.*wan/dmd_foresight"):
        recipe_file(Path("nowhere.yaml"))


@pytest.mark.long
def test_nothing_is_printed_of_a_recipe_whose_parts_are_not_there(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    text = (RECIPES / "sprite" / "dmd_baseline.yaml").read_text()
    recipe.write_text(text.replace("text_and_codec: sprite-base", "text_and_codec: parts"))
    environment = {**os.environ, "COLUMNS": "200", "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", "from trainer.cli import app; app()", "describe", str(recipe)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert str(tmp_path / "parts") in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_description_says_what_the_working_folder_lacks_and_refuses_what_nobody_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = RECIPES / "sprite" / "dmd_baseline.yaml"
    described = trainer("describe", shipped, "--set", "initial_model=runs/sprite-ode/export")
    assert described.exit_code == 0, described.output
    assert "# not there yet\ninitial_model: runs/sprite-ode/export\n" in described.output
    assert "not there yet" not in trainer("describe", shipped).output
    mine = tmp_path / "mine.yaml"
    mine.write_text(f"extends: {shipped}\nprompts: nowhere.txt\n")
    refused = trainer("describe", mine)
    assert refused.exit_code == 2
    assert f"prompts: there is no file or folder {tmp_path / 'nowhere.txt'}" in refused.output


def test_training_names_what_is_not_there_before_it_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for override, said in (
        ("prompts=nowhere.txt", "prompts: there is no file or folder nowhere.txt"),
        ("critic_model=runs/none/export", "critic_model: there is no model runs/none/export"),
        ("text_and_codec=none", "text_and_codec: there is no model none"),
        ("data=nowhere", "data: there is no file or folder nowhere"),
    ):
        recipe = "ar" if override.startswith("data") else "dmd_baseline"
        result = trainer("train", RECIPES / "sprite" / f"{recipe}.yaml", "--set", override)
        assert result.exit_code == 2
        assert said in result.output
