"""Causal consistency distillation at tiny size."""

from pathlib import Path

import pytest
import torch

from probekit.diffusion.flow_matching import euler_step
from probekit.errors import UserError
from probekit.models.causal_card import read_causal_card
from probekit.rollout.noise import normal_rows
from probekit.seeding import generator
from tests.helpers.places import REPOSITORY
from tests.unit.trainer.stages.test_causal_stages import OPTIMIZER, PARTS, assert_resumes, base, clips, teacher  # noqa: F401
from trainer.config.causal import ConsistencyConfig
from trainer.config.recipe import load_recipe
from trainer.stages.consistency import ConsistencyStage

RECIPES = REPOSITORY / "trainer" / "recipes" / "sprite"


def config_of(clips: Path, teacher: Path, **changes: object) -> ConsistencyConfig:  # noqa: F811
    values: dict[str, object] = {
        "stage": "consistency", "name": "cd", "seed": 0, "initial_model": str(teacher), "teacher": str(teacher),
        "data": clips, "text_and_codec": PARTS, "optimizer": OPTIMIZER, "steps": 4, "batch_size": 2,
        "checkpoint_every": 2, "log_every": 1, "latent_frames": 6, "euler_steps": 6,
    }  # fmt: skip
    return ConsistencyConfig.model_validate(values | changes)


def test_an_euler_step_of_the_true_flow_ends_at_the_data() -> None:
    clean, noise = torch.randn(2, 3), torch.randn(2, 3)
    noisy = 0.4 * clean + 0.6 * noise
    torch.testing.assert_close(euler_step(noisy, noise - clean, 0.6, 0.0), clean)


@pytest.mark.long
def test_it_resumes_exactly_and_exports_a_student(clips: Path, teacher: Path, tmp_path: Path) -> None:  # noqa: F811
    assert_resumes(ConsistencyStage, config_of(clips, teacher), tmp_path)
    card = read_causal_card(next(tmp_path.rglob("causal.json")).parent)
    assert (card.role, card.few_steps) == ("ode_student", (1000, 750, 500, 250))


def test_every_level_has_a_finite_loss_and_the_last_one_is_anchored(clips: Path, teacher: Path) -> None:  # noqa: F811
    """On the last step of the grid the target is the teacher's own end point, not the student's average."""
    stage = ConsistencyStage(config_of(clips, teacher, guidance=1.0))
    batch = stage._clips.batch(2, 6, generator("test"))
    noise = normal_rows(batch.latents.shape[1:], range(2), "test")
    losses = [float(stage._loss(stage.model, batch, level, noise).detach()) for level in range(6)]
    assert all(loss >= 0 for loss in losses)
    with torch.no_grad():
        for parameter in stage.ema.model.parameters():
            parameter.add_(0.1)
    moved = [float(stage._loss(stage.model, batch, level, noise).detach()) for level in range(6)]
    assert moved[-1] == losses[-1]
    assert moved[:-1] != losses[:-1]
    assert losses[-1] == pytest.approx(0.0, abs=1e-9)  # the student is the teacher, and both end the same step


@pytest.mark.long
def test_it_learns(clips: Path, teacher: Path) -> None:  # noqa: F811
    stage = ConsistencyStage(config_of(clips, teacher, steps=30, guidance=3.0))
    before = stage.validation_loss()
    for step in range(30):
        stage.training_step(step)
    assert stage.validation_loss() < before


def test_the_teacher_has_to_be_one(clips: Path, base: Path, teacher: Path) -> None:  # noqa: F811
    with pytest.raises(UserError, match="cannot be the teacher"):
        ConsistencyStage(config_of(clips, teacher).model_copy(update={"teacher": str(base)}))
    assert isinstance(load_recipe(RECIPES / "consistency.yaml"), ConsistencyConfig)
