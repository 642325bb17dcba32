"""What stages of one model share: an update over micro-batches, its average, what is plugged in, and its parts."""

import copy
import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from probekit.models.model_folder import SHIPPED_MODELS
from tests.helpers.latent_folders import write_clips
from trainer.config.recipe import BidirectionalConfig
from trainer.engine.state import TrainingState
from trainer.stages.bidirectional import BidirectionalStage

STEPS, CLIP = 6, 0.05


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clips(tmp_path_factory.mktemp("clips"))


def stage_of(clips: Path, **scale: Any) -> BidirectionalStage:
    values = {
        "stage": "bidirectional", "name": "b", "seed": 0, "model": {"heads": 1, "layers": 1}, "data": clips,
        "text_and_codec": SHIPPED_MODELS / "sprite-base", "scale": scale, "ema_decay": 0.9,
        "phases": [{"steps": STEPS, "latent_frames": 2, "batch_size": 4}],
        "optimizer": {"learning_rate": 1e-3, "warmup_steps": 2, "decay_steps": 4, "clip_norm": CLIP},
    }  # fmt: skip
    return BidirectionalStage(BidirectionalConfig.model_validate(values))


def test_a_step_is_one_clipped_adamw_update_on_the_mean_over_micro_batches_and_then_the_averages(clips: Path) -> None:
    stage, twin = stage_of(clips, gradient_accumulation=2), stage_of(clips)
    for step in range(2):
        loss = twin.micro_batch(step, range(4)).loss
        twin.optimizer.zero_grad()
        loss.backward()
        norm = float(nn.utils.clip_grad_norm_(twin.model.parameters(), CLIP))
        rate = 1e-3 * (step + 1) / 2  # the warm-up
        for group in twin.optimizer.param_groups:
            group["lr"] = rate
        twin.optimizer.step()
        expected = copy.deepcopy(twin.ema)
        expected.update(twin.model)
        twin.ema.update(twin.model)
        logged = stage.training_step(step)
        assert logged == pytest.approx({"loss": float(loss.detach()), "gradient_norm": norm, "learning_rate": rate})
        for one, other in ((stage.model, twin.model), (stage.ema.model, expected.model)):
            for mine, theirs in zip(one.parameters(), other.parameters(), strict=True):
                torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=2e-5)
    assert int(stage.ema.updates) == 2


def test_the_rate_falls_to_zero_over_the_last_steps_of_the_run(clips: Path) -> None:
    stage = stage_of(clips)
    assert [stage.training_step(step)["learning_rate"] for step in (3, 5)] == pytest.approx([0.75e-3, 0.25e-3])


class PluggedIn:
    """An objective of no loss that counts what is asked of it and is active from step 1."""

    def __init__(self) -> None:
        self.clipped, self.updated = 0, 0
        self.weights = nn.Linear(1, 1)

    def active(self, step: int) -> bool:
        return step >= 1

    def clip_gradients(self) -> float:
        self.clipped += 1
        return 0.5

    def update(self) -> dict[str, float]:
        self.updated += 1
        return {"own": 7.0}

    def training_state(self) -> TrainingState:
        return TrainingState({"plugged": self.weights}, {})


def test_what_is_plugged_in_is_updated_once_a_step_from_its_first_one(clips: Path) -> None:
    stage, plugged = stage_of(clips, gradient_accumulation=2), PluggedIn()
    stage.auxiliary = plugged  # type: ignore[assignment]
    logged = [stage.training_step(step) for step in range(3)]
    assert ["own" in values for values in logged] == [False, True, True]
    assert (plugged.clipped, plugged.updated) == (2, 2)


def test_a_checkpoint_keeps_model_average_optimizer_and_what_is_plugged_in(clips: Path) -> None:
    stage = stage_of(clips)
    state = stage.training_state()
    assert state.models == {"model": stage.model, "ema": stage.ema.model}
    assert state.optimizers == {"optimizer": (stage.model, stage.optimizer)}
    assert state.counters == {"ema_updates": stage.ema.updates}
    plugged = PluggedIn()
    stage.auxiliary = plugged  # type: ignore[assignment]
    assert stage.training_state().models == {**state.models, "plugged": plugged.weights}


def test_only_the_model_repeats_passes_in_the_backward_pass(clips: Path) -> None:
    stage = stage_of(clips, activation_checkpointing=True)
    assert stage.model.gradient_checkpointing
    assert not stage.ema.model.gradient_checkpointing
    assert not stage_of(clips).model.gradient_checkpointing


def test_the_parts_of_a_model_that_learns_belong_together(clips: Path) -> None:
    stage = stage_of(clips)
    with pytest.raises(dataclasses.FrozenInstanceError):
        stage._trained.optimizer = stage.optimizer  # type: ignore[misc]
