"""Prompts of self-rollouts: which update asks for which, in which rows, and what is held out."""

from pathlib import Path
from typing import Any

import pytest

from probekit.models.model_folder import SHIPPED_MODELS
from trainer.config.recipe import DmdConfig
from trainer.data.prompts import PromptFile, sprite_prompts
from trainer.stages.rollout_prompts import RolloutPrompts

SEED, BATCH, CRITIC_UPDATES = 3, 4, 2


def config_of(**changes: Any) -> DmdConfig:
    optimizer = {"learning_rate": 1e-3, "warmup_steps": 0}
    values = {
        "stage": "asymmetric_dmd", "name": "dmd", "seed": SEED, "text_and_codec": SHIPPED_MODELS / "sprite-base",
        "optimizer": optimizer, "critic_optimizer": optimizer, "critic_updates": CRITIC_UPDATES, "steps": 8,
        "batch_size": BATCH, "latent_frames": 6, "initial_model": "student", "real_model": "real",
        "critic_model": "critic", **changes,
    }  # fmt: skip
    return DmdConfig.model_validate(values)


@pytest.fixture
def prompt_file(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.txt"
    path.write_text("\n".join(f"prompt {number}" for number in range(50)))
    return path


def test_every_update_of_a_step_goes_on_in_the_file_where_the_one_before_ended(prompt_file: Path) -> None:
    """One of the generator and two of the critic, four prompts each: twelve a step."""
    asked, file = RolloutPrompts(config_of(prompts=prompt_file)), PromptFile(prompt_file, SEED)
    found = [asked.batch(step, number, range(BATCH)) for step in range(4) for number in range(3)]
    assert [prompt for batch in found for prompt in batch] == file.batch(0, 4 * 3 * BATCH)
    assert asked.listed == [f"prompt {number}" for number in range(50)]


def test_prompts_of_the_sprite_world_are_named_by_seed_step_and_update() -> None:
    asked = RolloutPrompts(config_of())
    for step, number in ((0, 0), (0, 2), (5, 1)):
        assert asked.batch(step, number, range(BATCH)) == sprite_prompts("train", BATCH, "dmd", SEED, step, number)
    assert asked.listed == []


@pytest.mark.parametrize("from_file", [False, True])
def test_a_process_asks_for_its_rows_of_the_batch(prompt_file: Path, from_file: bool) -> None:
    asked = RolloutPrompts(config_of(prompts=prompt_file) if from_file else config_of())
    whole = asked.batch(2, 1, range(BATCH))
    assert len(set(whole)) > 1
    assert asked.batch(2, 1, range(1, 3)) == whole[1:3]


def test_held_out_prompts_are_of_the_other_side_or_the_first_of_a_file(prompt_file: Path) -> None:
    assert RolloutPrompts(config_of()).held_out(6) == sprite_prompts("validation", 6, "dmd-validation")
    held_out = RolloutPrompts(config_of(prompts=prompt_file)).held_out(6)
    assert held_out == PromptFile(prompt_file, SEED).batch(0, 6)


def test_files_of_a_folder_that_cannot_be_read_are_left_out_if_the_recipe_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a whole prompt")
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe\xff not text")
    assert RolloutPrompts(config_of(prompts=tmp_path, skip_corrupt_shards=True)).listed == ["a whole prompt"]
