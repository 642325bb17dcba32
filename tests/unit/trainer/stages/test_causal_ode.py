"""Stage 2b against its equation: which states, levels and past the student is given, and what it is compared with."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from probekit.errors import UserError
from probekit.models.causal_card import CausalCard, write_causal_card
from probekit.models.loading import load_text_encoder, load_transformer
from probekit.models.model_folder import SHIPPED_MODELS
from probekit.models.text_context import TextContext
from probekit.models.text_encoding import TextEncoder
from probekit.seeding import generator
from tests.helpers.latent_folders import CHANNELS, FRAMES, SIDE, TRAJECTORIES, write_random_trajectories
from tests.helpers.model_folders import write_tiny_model
from tests.helpers.network_calls import Calls
from trainer.config.causal import CausalOdeConfig
from trainer.data.trajectories import Trajectories
from trainer.objectives.auxiliary import AuxiliaryModels
from trainer.stages.causal_ode import CausalOdeStage
from trainer.stages.flows import diffusion_forced_flow, teacher_forced_flow

PARTS = SHIPPED_MODELS / "sprite-base"
LEVELS = (1.0, 0.9375, 5 / 6, 0.625)
"""Steps 1000, 750, 500 and 250 at shift 5."""
SEED, CHUNKS, BATCH = 3, 3, 3


@cache
def encoder() -> TextEncoder:
    return load_text_encoder(PARTS)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("stage-2")
    card = CausalCard(role="ode_student", chunk_frames=2, shift=5.0, few_steps=(1000, 750, 500, 250))
    write_causal_card(write_tiny_model(root / "student", seed=1), card)
    return {
        "student": root / "student",
        "model": write_tiny_model(root / "model"),
        "forced": write_random_trajectories(root / "forced", LEVELS),
        "free": write_random_trajectories(root / "free", LEVELS, clean=False),
    }


def stage_of(folders: dict[str, Path], clean_context: bool, make: Any = None, **changes: Any) -> CausalOdeStage:
    values = {
        "stage": "causal_ode", "name": "ode", "seed": SEED, "initial_model": str(folders["student"]),
        "text_and_codec": PARTS,
        "optimizer": {"learning_rate": 1e-3, "warmup_steps": 0}, "steps": 4, "batch_size": BATCH, "chunk_frames": 2,
        "trajectories": folders["forced" if clean_context else "free"], "clean_context": clean_context, **changes,
    }  # fmt: skip
    return CausalOdeStage(CausalOdeConfig.model_validate(values), make)


def drawn(clean_context: bool, step: int) -> tuple[np.ndarray, Tensor]:
    """Trajectories of a step's batch and the index of each chunk's level."""
    rng = generator("trajectories", SEED, step)
    chosen = rng.integers(TRAJECTORIES, size=BATCH)
    if clean_context:
        return chosen, torch.full((BATCH, CHUNKS), int(rng.integers(4, size=1)[0]))
    return chosen, torch.from_numpy(rng.integers(4, size=(BATCH, CHUNKS)))


def loss_by_hand(model: Any, folder: Path, rows: np.ndarray, levels: Tensor, clean_context: bool) -> float:
    """Mean squared error of x0 = x - σ·flow against the end of the trajectory, state and σ chunk by chunk."""
    batch = Trajectories(folder, LEVELS).take(rows)
    noisy, sigma = torch.empty_like(batch.endpoint), torch.empty(len(rows), CHUNKS)
    for row in range(len(rows)):
        for chunk in range(CHUNKS):
            frames, level = slice(2 * chunk, 2 * chunk + 2), int(levels[row, chunk])
            noisy[row, :, frames], sigma[row, chunk] = batch.states[row, level, :, frames], LEVELS[level]
    text = TextContext(encoder().encode(batch.captions))
    with torch.no_grad():
        if clean_context:
            assert batch.clean is not None
            flow, _ = teacher_forced_flow(model, batch.clean, noisy, 1000 * sigma, text)
        else:
            flow, _ = diffusion_forced_flow(model, noisy, 1000 * sigma, text)
    of_frames = sigma.repeat_interleave(2, dim=1).view(-1, 1, FRAMES, 1, 1)
    return float((noisy - of_frames * flow - batch.endpoint).square().mean())


@pytest.mark.parametrize("clean_context", [True, False])
def test_a_step_regresses_the_end_of_the_trajectories_of_its_rows(
    folders: dict[str, Path], clean_context: bool
) -> None:
    stage = stage_of(folders, clean_context)
    for step in (0, 5):
        chosen, levels = drawn(clean_context, step)
        folder = folders["forced" if clean_context else "free"]
        found = stage.micro_batch(step, range(1, BATCH))
        expected = loss_by_hand(stage.model, folder, chosen[1:], levels[1:], clean_context)
        assert found.loss.item() == pytest.approx(expected, rel=1e-4)
        assert found.logged == {"loss": float(found.loss.detach())}
        assert found.prompts == [f"trajectory {row} of a blue square" for row in chosen[1:]]


@pytest.mark.parametrize("clean_context", [True, False])
def test_the_held_out_loss_is_the_averages_mean_over_all_levels(folders: dict[str, Path], clean_context: bool) -> None:
    """Of the first trajectories, again from the first one where rows go beyond the last."""
    stage = stage_of(folders, clean_context)
    with torch.no_grad():
        stage.model.proj_out.bias.add_(1.0)
        found = stage.held_out_loss(range(4, 7))
    folder = folders["forced" if clean_context else "free"]
    each = [
        loss_by_hand(
            stage.ema.model, folder, np.array([4, 0, 1]), torch.full((3, CHUNKS), level), clean_context
        )
        for level in range(4)
    ]  # fmt: skip
    assert found == pytest.approx(sum(each) / 4, rel=1e-4)


def test_the_validation_loss_is_over_32_rows(folders: dict[str, Path]) -> None:
    stage = stage_of(folders, clean_context=False)
    with Calls(stage.ema.model) as calls:
        stage.validation_loss()
    rows = [len(arguments[0]) for arguments in calls.arguments]
    assert rows == ([3] * 4) * 10 + [2] * 4  # every batch at all four levels


def test_the_batch_has_the_trajectories_size(folders: dict[str, Path]) -> None:
    stage = stage_of(folders, clean_context=True, batch_size=4, scale={"gradient_accumulation": 2})
    assert stage.shares(0) == [range(2), range(2, 4)]
    assert stage.batch_shape(0) == (4, CHANNELS, FRAMES, SIDE, SIDE)


class Recorded:
    """Keeps what an objective's loss is given, and asks for the states of a block from a step on."""

    layer = 1

    def __init__(self, models: AuxiliaryModels) -> None:
        self.models = models
        self.given: list[tuple[list[Tensor], Tensor, Tensor, int]] = []

    def active(self, step: int) -> bool:
        return step >= 1

    def loss(self, states: list[Tensor], video: Tensor, text: Tensor, step: int) -> Tensor:
        self.given.append((states, video, text, step))
        return states[0].sum() * 0 + 7.0


@pytest.mark.parametrize("clean_context", [True, False])
def test_what_is_plugged_in_is_given_states_and_the_finished_video_and_its_loss_is_added(
    folders: dict[str, Path], clean_context: bool
) -> None:
    """The video is the ground truth where there is one, else the end of the trajectory."""
    stage = stage_of(folders, clean_context, Recorded)
    objective: Any = stage.auxiliary
    plain = stage.micro_batch(0, range(2))
    assert objective.given == []
    assert plain.logged.keys() == {"loss"}
    with Calls(stage.model.blocks[1]) as calls:
        found = stage.micro_batch(1, range(2))
    ((states, video, text, step),) = objective.given
    assert step == 1
    assert found.logged["auxiliary_loss"] == 7.0
    assert found.loss.item() == pytest.approx(found.logged["loss"] + 7.0)
    output = calls.answers[0].unflatten(0, (2, -1))[:, -CHUNKS:]  # under teacher forcing the clean chunks come first
    for chunk, state in enumerate(states):
        assert torch.equal(state.detach(), output[:, chunk])
    chosen, _ = drawn(clean_context, 1)
    batch = Trajectories(folders["forced" if clean_context else "free"], LEVELS).take(chosen[:2])
    assert torch.equal(video, batch.endpoint if batch.clean is None else batch.clean)
    assert torch.equal(text, encoder().encode(batch.captions))


def same(one: torch.nn.Module, folder: Path) -> bool:
    return all(map(torch.equal, one.state_dict().values(), load_transformer(folder).state_dict().values()))


def test_an_objective_may_read_the_real_score_only_if_the_recipe_says_so(folders: dict[str, Path]) -> None:
    """`open_base` opens the recipe's base model, frozen; the average and the generator are the stage's own."""
    models = str(folders["model"])
    for encoder, has_real in (("real", True), ("ema", False)):
        block = {"encoder": encoder, "predictor_heads": 1}
        stage = stage_of(folders, True, Recorded, real_model=models, base_model=models, foresight=block)
        objective: Any = stage.auxiliary
        given: AuxiliaryModels = objective.models
        assert (given.real is not None) == has_real
        assert (given.generator, given.average) == (stage.model, stage.ema.model)
        base = given.open_base()
        assert same(base, folders["model"])
        assert not any(parameter.requires_grad for parameter in base.parameters())
    without = stage_of(folders, True, Recorded, foresight={"encoder": "real", "predictor_heads": 1})
    other: Any = without.auxiliary
    assert other.models.real is None
    with pytest.raises(UserError, match="needs base_model"):
        other.models.open_base()


def test_trajectories_without_ground_truth_cannot_be_seen_clean(folders: dict[str, Path]) -> None:
    with pytest.raises(UserError, match="have no ground truth to see"):
        stage_of(folders, clean_context=True, trajectories=folders["free"])


def test_ground_truth_may_be_left_unseen(folders: dict[str, Path]) -> None:
    stage = stage_of(folders, clean_context=False, trajectories=folders["forced"])
    chosen, levels = drawn(False, 0)
    expected = loss_by_hand(stage.model, folders["forced"], chosen, levels, clean_context=False)
    assert stage.micro_batch(0, range(BATCH)).loss.item() == pytest.approx(expected, rel=1e-4)
