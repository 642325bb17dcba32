"""Consistency distillation against its equation: the teacher's guided step, the average's x0, and the last level."""

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from probekit.diffusion.few_step import euler_sigmas
from probekit.models.causal_card import CausalCard, write_causal_card
from probekit.models.loading import load_text_encoder
from probekit.models.model_folder import SHIPPED_MODELS
from probekit.models.text_context import TextContext
from probekit.models.text_encoding import TextEncoder
from probekit.rollout.noise import normal_rows
from probekit.seeding import generator
from tests.helpers.latent_folders import CHANNELS, FRAMES, HELD_OUT_CLIPS, SIDE, TRAIN_CLIPS, write_clips
from tests.helpers.model_folders import write_tiny_model
from tests.helpers.network_calls import Calls
from trainer.config.causal import ConsistencyConfig
from trainer.data.latent_clips import LatentBatch, LatentClips
from trainer.stages.consistency import ConsistencyStage
from trainer.stages.flows import teacher_forced_flow

PARTS = SHIPPED_MODELS / "sprite-base"
SEED, STEPS, CHUNKS, BATCH, SHIFT = 3, 5, 3, 3, 5.0


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    root = tmp_path_factory.mktemp("consistency")
    card = CausalCard(role="ar_teacher", chunk_frames=2, shift=SHIFT, euler_steps=4, guidance=2.0)
    for name, seed in (("teacher", 1), ("student", 2)):
        write_causal_card(write_tiny_model(root / name, seed=seed), card)
    names = {"teacher": str(root / "teacher"), "initial_model": str(root / "student")}
    return names | {"data": write_clips(root / "clips")}


def stage_of(folders: dict[str, Any], **changes: Any) -> ConsistencyStage:
    values = {
        "stage": "consistency", "name": "cd", "seed": SEED, "text_and_codec": PARTS, "chunk_frames": 2, "steps": 4,
        "optimizer": {"learning_rate": 1e-3, "warmup_steps": 0}, "batch_size": BATCH, "latent_frames": FRAMES,
        "euler_steps": STEPS, "shift": SHIFT, **folders, **changes,
    }  # fmt: skip
    stage = ConsistencyStage(ConsistencyConfig.model_validate(values))
    with torch.no_grad():
        stage.ema.model.proj_out.bias.add_(0.5)  # apart from the student
    return stage


@cache
def encoder() -> TextEncoder:
    return load_text_encoder(PARTS)


def flow(model: Any, clean: Tensor, noisy: Tensor, sigma: float, captions: list[str]) -> Tensor:
    with torch.no_grad():
        text = TextContext(encoder().encode(captions))
        return teacher_forced_flow(model, clean, noisy, torch.full((len(clean), CHUNKS), 1000 * sigma), text)[0]


def loss_by_hand(
    stage: ConsistencyStage, student: Any, clips: LatentBatch, noise: Tensor, level: int, scale: float
) -> float:
    sigma, following = euler_sigmas(STEPS, SHIFT)[level : level + 2]
    clean, captions = clips
    noisy = (1 - sigma) * clean + sigma * noise
    guided = flow(stage.teacher, clean, noisy, sigma, captions)
    if scale > 1:
        unconditional = flow(stage.teacher, clean, noisy, sigma, [""] * len(captions))
        guided = unconditional + scale * (guided - unconditional)
    further = noisy + (following - sigma) * guided
    target = further
    if level < STEPS - 1:
        target = further - following * flow(stage.ema.model, clean, further, following, captions)
    estimate = noisy - sigma * flow(student, clean, noisy, sigma, captions)
    return float((estimate - target).square().mean())


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_a_step_compares_the_student_with_its_average_after_one_guided_teacher_step(
    folders: dict[str, Any], scale: float
) -> None:
    stage, seen = stage_of(folders, guidance=scale), set()
    for step in range(40):
        rng = generator("consistency", SEED, step)
        chosen, level = rng.integers(TRAIN_CLIPS, size=BATCH), int(rng.integers(STEPS))
        if level in seen:
            continue
        seen.add(level)
        clips = LatentClips(folders["data"], "train").take(chosen[1:], FRAMES)
        noise = normal_rows((CHANNELS, FRAMES, SIDE, SIDE), range(1, BATCH), "consistency-noise", SEED, step)
        found = stage.micro_batch(step, range(1, BATCH))
        expected = loss_by_hand(stage, stage.model, clips, noise, level, scale)
        assert found.loss.item() == pytest.approx(expected, rel=1e-4)
        assert found.logged == {"loss": float(found.loss.detach()), "level": level}
        assert found.prompts == clips.captions
    assert seen == set(range(STEPS))  # the last one ends at 0 and takes the teacher's own end point


def test_only_the_student_has_a_gradient(folders: dict[str, Any]) -> None:
    stage = stage_of(folders)
    stage.micro_batch(0, range(BATCH)).loss.backward()
    assert stage.model.proj_out.bias.grad is not None
    others = [*stage.teacher.parameters(), *stage.ema.model.parameters()]
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in others)


@pytest.mark.parametrize("rows", [range(2), range(14, 18)])
def test_the_held_out_loss_is_the_averages_mean_over_first_middle_and_last_level(
    folders: dict[str, Any], rows: range
) -> None:
    stage, total = stage_of(folders), max(16, rows.stop)
    chosen = generator("validation-clips").integers(HELD_OUT_CLIPS, size=total)[rows.start : rows.stop]
    clips = LatentClips(folders["data"], "validation").take(chosen, FRAMES)
    noise = normal_rows((CHANNELS, FRAMES, SIDE, SIDE), rows, "validation-noise")
    each = [loss_by_hand(stage, stage.ema.model, clips, noise, level, 3.0) for level in (0, 2, 4)]
    with torch.no_grad():
        assert stage.held_out_loss(rows) == pytest.approx(sum(each) / 3, rel=1e-4)


def test_the_validation_loss_is_over_16_rows(folders: dict[str, Any]) -> None:
    stage = stage_of(folders)
    with Calls(stage.teacher) as calls:
        stage.validation_loss()
    assert [len(arguments[0]) // 2 for arguments in calls.arguments] == ([3] * 3) * 5 + [1] * 3
