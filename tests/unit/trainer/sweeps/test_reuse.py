"""A finished run is taken by another sweep if it trained the same from the same, and by no other."""

import os
import shutil
from pathlib import Path

import pytest

from probekit.atomic_files import write_json, write_text
from probekit.errors import UserError
from probekit.models.causal_card import CausalCard, write_causal_card
from probekit.models.model_folder import SHIPPED_MODELS
from probekit.models.saving import save_transformer
from probekit.user_files.json_files import read_json
from tests.helpers.model_folders import tiny_transformer, write_tiny_model
from trainer.commands.training import TAKEN, Training
from trainer.config.places import recipe_text
from trainer.config.recipe import load_recipe
from trainer.config.sweep import SWEEPS
from trainer.engine.follow_up import EXPORT, FOLLOWED_UP
from trainer.sweeps.inputs import INPUTS, note_inputs
from trainer.sweeps.reuse import is_trained, take_finished

RECIPE = SWEEPS.parent / "sprite" / "dmd_baseline.yaml"


def training(folder: Path, models: Path, *changes: str) -> Training:
    given = [f"{key}={models / key}" for key in ("initial_model", "real_model", "critic_model")]
    return Training(RECIPE, folder, (f"name={folder.name}", *given, "steps=20", *changes))


def finish(done: Training) -> None:
    """What a training leaves."""
    note_inputs(done)
    shutil.copytree(done.folder.parents[2] / "models" / "initial_model", done.folder / EXPORT)
    recipe = load_recipe(done.recipe, done.changes)
    write_text(done.folder / "config.yaml", recipe_text(recipe))
    write_text(done.folder / "metrics.jsonl", "")
    write_json(done.folder / FOLLOWED_UP, {"step": 20})


@pytest.fixture
def models(tmp_path: Path) -> Path:
    for key in ("initial_model", "real_model", "critic_model"):
        write_tiny_model(tmp_path / "models" / key)
    card = CausalCard(role="ode_student", chunk_frames=3, shift=5.0, few_steps=(1000, 750, 500, 250))
    write_causal_card(tmp_path / "models" / "initial_model", card)
    return tmp_path / "models"


def test_the_same_training_under_another_name_is_taken(models: Path, tmp_path: Path) -> None:
    finish(training(tmp_path / "sweeps" / "one" / "plain", models))
    mine = training(tmp_path / "sweeps" / "two" / "none", models)
    assert take_finished(mine, tmp_path / "sweeps")
    assert mine.steps() == (20, 20)
    assert mine.is_finished()
    assert load_recipe(mine.folder / "config.yaml").name == "none"
    assert read_json(mine.folder / TAKEN, fix="")["from"].endswith("one/plain")
    third = training(tmp_path / "sweeps" / "three" / "_runs" / "1" / "plain", models)
    assert take_finished(third, tmp_path / "sweeps")
    assert read_json(third.folder / TAKEN, fix="")["from"].endswith("one/plain")  # never from a copy


def test_a_further_run_is_found_where_sweeps_keep_them(models: Path, tmp_path: Path) -> None:
    run = tmp_path / "sweeps" / "one" / "_runs" / "1" / "plain"
    finish(training(tmp_path / "sweeps" / "elsewhere" / "plain", models, "seed=1006"))
    run.parent.mkdir(parents=True)
    (tmp_path / "sweeps" / "elsewhere" / "plain").rename(run)
    assert take_finished(training(tmp_path / "sweeps" / "two" / "plain", models, "seed=1006"), tmp_path / "sweeps")


@pytest.mark.parametrize("change", ["seed=7", "guidance=3.0", "steps=40"])
def test_another_recipe_is_not_taken(models: Path, tmp_path: Path, change: str) -> None:
    finish(training(tmp_path / "sweeps" / "one" / "plain", models))
    assert not take_finished(training(tmp_path / "sweeps" / "two" / "plain", models, change), tmp_path / "sweeps")


def test_other_weights_are_not_taken_and_end_a_run_of_ones_own(models: Path, tmp_path: Path) -> None:
    finish(training(tmp_path / "sweeps" / "one" / "plain", models))
    save_transformer(tiny_transformer(seed=5), models / "real_model")
    assert not take_finished(training(tmp_path / "sweeps" / "two" / "plain", models), tmp_path / "sweeps")
    own = training(tmp_path / "sweeps" / "one" / "plain", models)
    for trained in (False, True):
        with pytest.raises(UserError, match="other files than real_model"):
            note_inputs(own, trained)
    shutil.rmtree(models / "real_model")
    note_inputs(own, trained=True)
    with pytest.raises(UserError, match=r"There is no model .*real_model"):
        note_inputs(own)


@pytest.mark.parametrize(
    ("file", "same"),
    [("README.md", True), ("vae/config.json", False), ("text_encoder/more/vocabulary", False)],
)
def test_of_text_and_codec_their_content_alone_counts(models: Path, tmp_path: Path, file: str, same: bool) -> None:
    """Neither when a file was written, nor a card beside the parts."""
    there, moved = tmp_path / "parts", tmp_path / "moved"
    shutil.copytree(SHIPPED_MODELS / "sprite-base", there)
    finish(training(tmp_path / "sweeps" / "one" / "plain", models, f"text_and_codec={there}"))
    shutil.copytree(there, moved, copy_function=shutil.copyfile)
    (moved / file).parent.mkdir(exist_ok=True)
    (moved / file).write_text(" {}")
    mine = training(tmp_path / "sweeps" / "two" / "plain", models, f"text_and_codec={moved}")
    assert take_finished(mine, tmp_path / "sweeps") == same


@pytest.mark.parametrize(("change", "same"), [(b"", True), (b"more", False)])
def test_of_data_neither_the_place_nor_the_time_counts(models: Path, tmp_path: Path, change: bytes, same: bool) -> None:
    """So that runs and their data can move to another disk or machine."""
    there, moved = tmp_path / "there", tmp_path / "moved"
    there.mkdir()
    (there / "prompts.txt").write_bytes(b"A red square.\n")
    finish(training(tmp_path / "sweeps" / "one" / "plain", models, f"prompts={there}/prompts.txt"))
    shutil.copytree(there, moved, copy_function=shutil.copyfile)
    (moved / "prompts.txt").write_bytes((moved / "prompts.txt").read_bytes() + change)
    os.utime(moved / "prompts.txt", (1, 1))
    mine = training(tmp_path / "sweeps" / "two" / "plain", models, f"prompts={moved}/prompts.txt")
    assert take_finished(mine, tmp_path / "sweeps") == same


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("changes", [("prompts={}", ""), ("", "prompts={}")])
def test_a_run_with_a_file_more_or_less_than_the_recipe_names_is_refused(
    models: Path, tmp_path: Path, changes: tuple[str, str], trained: bool
) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("A red square.\n")
    before, after = ([one.format(prompts)] if one else [] for one in changes)
    folder = tmp_path / "sweeps" / "one" / "plain"
    finish(training(folder, models, *before))
    with pytest.raises(UserError, match="other files than prompts"):
        note_inputs(training(folder, models, *after), trained)


@pytest.mark.parametrize("missing", [EXPORT, INPUTS, FOLLOWED_UP, "metrics.jsonl"])
def test_an_unfinished_run_is_not_taken(models: Path, tmp_path: Path, missing: str) -> None:
    done = training(tmp_path / "sweeps" / "one" / "plain", models)
    finish(done)
    gone = done.folder / missing
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    mine = training(tmp_path / "sweeps" / "two" / "plain", models)
    assert not take_finished(mine, tmp_path / "sweeps")
    assert not mine.folder.exists()


@pytest.mark.parametrize("taken", [False, True])
def test_a_finished_run_counts_without_its_checkpoints_and_not_for_another_recipe(
    models: Path, tmp_path: Path, taken: bool
) -> None:
    folder = tmp_path / "sweeps" / "one" / "plain"
    assert not is_trained(training(folder, models))
    finish(training(folder, models))
    if taken:
        folder = tmp_path / "sweeps" / "two" / "none"
        assert take_finished(training(folder, models), tmp_path / "sweeps")
    assert is_trained(training(folder, models))
    for key, change in (("guidance", "guidance=3.0"), ("steps", "steps=40"), ("seed", "seed=1006")):
        with pytest.raises(UserError, match=f"{folder} holds a run with other values of {key}"):
            is_trained(training(folder, models, change))


def test_a_run_with_a_key_less_than_recipes_have_today_has_its_default(models: Path, tmp_path: Path) -> None:
    done = training(tmp_path / "sweeps" / "one" / "plain", models)
    finish(done)
    text = (done.folder / "config.yaml").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("skip_corrupt_shards")]
    assert len(lines) < len(text.splitlines())
    (done.folder / "config.yaml").write_text("\n".join(lines))
    assert is_trained(done)


def test_a_run_whose_last_checkpoint_was_not_followed_up_goes_on(models: Path, tmp_path: Path) -> None:
    done = training(tmp_path / "sweeps" / "one" / "plain", models)
    finish(done)
    write_json(done.folder / FOLLOWED_UP, {"step": 10})
    assert not is_trained(done)


def test_a_run_that_has_begun_goes_on_by_itself(models: Path, tmp_path: Path) -> None:
    finish(training(tmp_path / "sweeps" / "one" / "plain", models))
    mine = training(tmp_path / "sweeps" / "two" / "plain", models)
    note_inputs(mine)
    note_inputs(mine)
    assert not take_finished(mine, tmp_path / "sweeps")
