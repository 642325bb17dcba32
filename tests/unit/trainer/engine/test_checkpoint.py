"""Checkpoints of a small model: what they bring back, which ones stay, and what is left after a failure."""

import errno
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.distributed.checkpoint.api import CheckpointException

from probekit.errors import UserError
from trainer.distributed.world import SINGLE, World
from trainer.engine import checkpoint
from trainer.engine.checkpoint import (
    CheckpointFacts,
    CheckpointWriter,
    checkpoint_paths,
    load_checkpoint,
    newest_checkpoint,
    state_tensors,
)
from trainer.engine.state import TrainingState


def state_of(seed: int, steps: int = 2, rate: float = 0.1) -> TrainingState:
    """A linear layer after some AdamW steps, and a counter."""
    torch.manual_seed(seed)
    model = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.randn(4, 3)).square().sum().backward()
        optimizer.step()
    return TrainingState({"model": model}, {"optimizer": (model, optimizer)}, {"updates": torch.tensor(steps)})


def values(state: TrainingState) -> dict[str, Any]:
    return {name: tensor.clone() for name, tensor in state_tensors(state).items()}


def writer(folder: Path, keep: int = 2, asynchronous: bool = False) -> CheckpointWriter:
    return CheckpointWriter(folder, SINGLE, keep, asynchronous)


def newest(folder: Path) -> CheckpointFacts:
    found = newest_checkpoint(folder)
    assert found is not None
    return found


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("steps", [0, 2])
def test_a_checkpoint_brings_weights_optimizer_counters_and_randomness_back(
    tmp_path: Path, steps: int, asynchronous: bool
) -> None:
    source, target = state_of(0, steps), state_of(1, steps=3)
    torch.manual_seed(7)
    written = writer(tmp_path, asynchronous=asynchronous)
    written.save(5, source, "the recipe")
    expected_draw = torch.rand(3)
    written.finish()
    torch.manual_seed(8)
    facts = newest(tmp_path)
    assert facts == (tmp_path / "step-0000005", 5, "the recipe")
    load_checkpoint(facts, target)
    assert torch.equal(torch.rand(3), expected_draw)
    expected = values(source)
    assert values(target).keys() == expected.keys()
    for name, tensor in values(target).items():
        assert torch.equal(tensor, expected[name]), name


def test_the_next_update_after_a_resume_is_the_same_with_the_recipes_rate(tmp_path: Path) -> None:
    """Moments and step counts come back; the rate is the one that the recipe now says."""
    source, target = state_of(0), state_of(1, rate=0.5)
    writer(tmp_path).save(1, source, "")
    load_checkpoint(newest(tmp_path), target)
    for state in (source, target):
        model, optimizer = state.optimizers["optimizer"]
        assert optimizer.param_groups[0]["lr"] == (0.1 if state is source else 0.5)
        optimizer.param_groups[0]["lr"] = 0.2
        optimizer.zero_grad()
        model(torch.ones(1, 3)).sum().backward()
        optimizer.step()
    assert all(map(torch.equal, source.models["model"].parameters(), target.models["model"].parameters()))


def test_names_say_what_a_tensor_belongs_to() -> None:
    names = state_tensors(state_of(0)).keys()
    assert {"counters.updates", "models.model.weight", "optimizers.optimizer.state.bias.exp_avg"} <= names
    assert all(isinstance(value, torch.Tensor) for value in state_tensors(state_of(0)).values())


def test_checkpoints_are_those_with_seven_digits_oldest_first(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path) is None
    for name in ("step-0000010", "step-0000009", "step-0000011.partial", "step-12", "step-0000012-copy"):
        (tmp_path / name).mkdir()
    assert [path.name for path in checkpoint_paths(tmp_path)] == ["step-0000009", "step-0000010"]


@pytest.mark.parametrize("keep", [1, 2])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_the_newest_checkpoints_stay(tmp_path: Path, keep: int, asynchronous: bool) -> None:
    written = writer(tmp_path, keep, asynchronous)
    for steps in (1, 2, 3):
        written.save(steps, state_of(steps), "")
    written.finish()
    assert [path.name for path in checkpoint_paths(tmp_path)] == [f"step-000000{step}" for step in (2, 3)][-keep:]


def test_an_asynchronous_checkpoint_has_its_name_once_it_is_finished(tmp_path: Path) -> None:
    """What changes after `save` is not in it."""
    source = state_of(0)
    before = values(source)
    written = writer(tmp_path, asynchronous=True)
    written.save(1, source, "")
    assert checkpoint_paths(tmp_path) == []
    with torch.no_grad():
        source.models["model"].weight.fill_(9.0)
    written.finish()
    written.finish()  # there is nothing more to do
    target = state_of(1)
    load_checkpoint(newest(tmp_path), target)
    assert torch.equal(target.models["model"].weight, before["models.model.weight"])


def test_a_checkpoint_of_the_same_step_is_replaced(tmp_path: Path) -> None:
    written = writer(tmp_path)
    for seed in (0, 1):
        written.save(4, state_of(seed), str(seed))
    target = state_of(2)
    load_checkpoint(newest(tmp_path), target)
    assert newest(tmp_path).config == "1"
    assert torch.equal(target.models["model"].weight, state_of(1).models["model"].weight)


def test_what_earlier_processes_left_unfinished_is_removed_by_the_main_one(tmp_path: Path) -> None:
    left, whole = tmp_path / "step-0000003.partial", tmp_path / "step-0000002"
    for folder in (left, whole):
        (folder / "deep").mkdir(parents=True)
    writer(tmp_path)
    assert (left.exists(), whole.exists()) == (False, True)


def test_another_process_than_the_main_one_neither_describes_nor_names_a_checkpoint(tmp_path: Path) -> None:
    """Its randomness is its own: a process that finds none of its rank keeps what it has."""
    partial = tmp_path / "step-0000001.partial"
    partial.mkdir()
    other = CheckpointWriter(tmp_path, World(rank=1), keep=1, asynchronous=False)
    other.save(1, state_of(0), "")
    assert [path.name for path in tmp_path.iterdir()] == ["step-0000001.partial"]
    assert not (partial / "checkpoint.json").exists()
    target = state_of(1)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    load_checkpoint(CheckpointFacts(partial, 1, ""), target)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(target.models["model"].weight, state_of(0).models["model"].weight)


def test_another_model_or_a_damaged_description_is_named(tmp_path: Path) -> None:
    writer(tmp_path).save(1, state_of(0), "")
    other = nn.Linear(3, 2, bias=False)
    wrong = TrainingState({"other": other}, {}, {})
    with pytest.raises(UserError, match=re.escape(str(tmp_path / "step-0000001"))):
        load_checkpoint(newest(tmp_path), wrong)
    (tmp_path / "step-0000001" / "checkpoint.json").write_text(json.dumps({"steps_done": 1}))
    with pytest.raises(UserError, match="step-0000001 cannot be read"):
        newest_checkpoint(tmp_path)


def failing(error: Exception) -> Any:
    def fail(*arguments: Any, **options: Any) -> None:
        raise error

    return fail


def test_a_full_disk_is_a_sentence_and_leaves_nothing_unfinished(tmp_path: Path) -> None:
    written = writer(tmp_path)
    written.save(1, state_of(0), "")
    full = OSError(errno.ENOSPC, "No space left on device")
    for error in (full, CheckpointException("write", {0: (full, [])})):  # type: ignore[dict-item]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(checkpoint, "save", failing(error))
            with pytest.raises(UserError, match=r"Cannot write .*step-0000002"):
                written.save(2, state_of(1), "")
        assert [path.name for path in tmp_path.iterdir()] == ["step-0000001"]


def test_a_failure_that_is_no_write_failure_stays_what_it_is(tmp_path: Path) -> None:
    error = CheckpointException("plan", {0: (ValueError("a plan"), [])})  # type: ignore[dict-item]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save", failing(error))
        with pytest.raises(CheckpointException, match="a plan"):
            writer(tmp_path).save(2, state_of(1), "")
    assert list(tmp_path.iterdir()) == []


def test_the_newest_checkpoint_is_the_one_to_go_on_from(tmp_path: Path) -> None:
    written = writer(tmp_path / "not" / "there" / "yet")
    for steps in (9, 10):
        written.save(steps, state_of(0), f"recipe {steps}")
    folder = tmp_path / "not" / "there" / "yet"
    assert newest(folder) == (folder / "step-0000010", 10, "recipe 10")
    (folder / "step-0000010" / "checkpoint.json").write_text(json.dumps({"steps_done": 1}))
    with pytest.raises(UserError, match="step-0000010 cannot be read"):
        newest_checkpoint(folder)


def test_a_checkpoint_holds_nothing_of_an_earlier_attempt(tmp_path: Path) -> None:
    written = writer(tmp_path)
    left = tmp_path / "step-0000001.partial"
    left.mkdir()
    (left / "stale.distcp").write_text("of before")
    written.save(1, state_of(0), "")
    assert not (tmp_path / "step-0000001" / "stale.distcp").exists()


def test_what_cannot_be_removed_stops_no_run(tmp_path: Path) -> None:
    """Files in place of folders, which the removal of folders fails on."""
    for name in ("step-0000003.partial", "step-0000001"):
        (tmp_path / name).write_text("a file")
    written = writer(tmp_path, keep=1)
    written.save(2, state_of(0), "")
    assert newest(tmp_path).steps_done == 2


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="Cannot write"):
        writer(tmp_path / "file").save(1, state_of(0), "")


def test_a_full_disk_is_a_sentence_even_if_nothing_was_left_of_the_checkpoint(tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")

    def fail(*arguments: Any, **options: Any) -> None:
        (tmp_path / "step-0000001.partial").rmdir()
        raise CheckpointException("write", {0: (full, [])})  # type: ignore[dict-item]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save", fail)
        with pytest.raises(UserError, match=r"Cannot write .*step-0000001"):
            writer(tmp_path).save(1, state_of(1), "")
