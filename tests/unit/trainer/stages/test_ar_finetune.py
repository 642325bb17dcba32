"""Stage 1 against its equation: levels of chunks, noise, captions and weights of a step's rows."""

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from probekit.models.loading import load_text_encoder
from probekit.models.model_folder import SHIPPED_MODELS
from probekit.models.text_context import TextContext
from probekit.models.text_encoding import TextEncoder
from probekit.rollout.noise import normal_rows
from probekit.seeding import generator
from tests.helpers.latent_folders import CHANNELS, FRAMES, HELD_OUT_CLIPS, SIDE, TRAIN_CLIPS, write_clips
from tests.helpers.model_folders import write_tiny_model
from tests.helpers.network_calls import Calls
from trainer.config.causal import AutoregressiveConfig
from trainer.data.latent_clips import LatentClips
from trainer.objectives.regression import bell_total, bell_weight
from trainer.stages.ar_finetune import AutoregressiveStage
from trainer.stages.flows import diffusion_forced_flow, teacher_forced_flow
from trainer.stages.random_rows import draw_rows, drop_captions

PARTS = SHIPPED_MODELS / "sprite-base"
SEED, SHIFT, CHUNKS, BATCH = 3, 5.0, 3, 3


@cache
def encoder() -> TextEncoder:
    return load_text_encoder(PARTS)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    root = tmp_path_factory.mktemp("stage-1")
    return {"data": write_clips(root / "clips"), "initial_model": str(write_tiny_model(root / "base"))}


def stage_of(folders: dict[str, Any], **changes: Any) -> AutoregressiveStage:
    values = {
        "stage": "ar_finetune", "name": "ar", "seed": SEED, "text_and_codec": PARTS, "chunk_frames": 2, "steps": 4,
        "optimizer": {"learning_rate": 1e-3, "warmup_steps": 0}, "batch_size": BATCH, "latent_frames": FRAMES,
        "shift": SHIFT, "caption_dropout": 0.5, **folders, **changes,
    }  # fmt: skip
    return AutoregressiveStage(AutoregressiveConfig.model_validate(values))


def shifted(uniform: Tensor) -> Tensor:
    return SHIFT * uniform / (1 + (SHIFT - 1) * uniform)


def of_frames(level: Tensor) -> Tensor:
    """(B, 3) as (B, 1, 6, 1, 1): each chunk's level for both of its frames."""
    return torch.stack([level[:, frame // 2] for frame in range(FRAMES)], dim=1).view(-1, 1, FRAMES, 1, 1)


def weighted(flow: Tensor, clean: Tensor, noise: Tensor, weight: Tensor) -> float:
    """Mean over videos and chunks of the weighted error of the flow n - x0."""
    error = (flow - (noise - clean)).square()
    each = [
        [weight[video, chunk] * error[video, :, 2 * chunk : 2 * chunk + 2].mean() for chunk in range(CHUNKS)]
        for video in range(len(error))
    ]
    return float(torch.tensor(each).mean())


OPTIONS = {
    "teacher": {"bell_weighting": True},
    "plain": {"bell_weighting": False},
    "noised": {"bell_weighting": False, "clean_noise": 0.3},
    "diffusion": {"bell_weighting": False, "forcing": "diffusion"},
}


@pytest.mark.parametrize("option", OPTIONS)
def test_a_step_is_the_options_loss_on_the_rows_of_its_batch(folders: dict[str, Any], option: str) -> None:
    stage, step, rows = stage_of(folders, **OPTIONS[option]), 2, range(1, 3)
    with torch.no_grad():
        stage.model.condition_embedder.time_proj.weight.mul_(30.0)  # so that a wrong level is told from rounding
    chosen = generator("clips", SEED, step).integers(TRAIN_CLIPS, size=BATCH)[1:]
    clean, captions = LatentClips(folders["data"], "train").take(chosen)
    noise = normal_rows((CHANNELS, FRAMES, SIDE, SIDE), rows, "training-noise", SEED, step)
    uniform = draw_rows(BATCH, rows, "levels", SEED, step, columns=2 * CHUNKS)
    sigma = shifted(uniform[:, :CHUNKS])
    noisy = (1 - of_frames(sigma)) * clean + of_frames(sigma) * noise
    texts = drop_captions(captions, rows, BATCH, 0.5, SEED, step)
    text = TextContext(encoder().encode(texts))
    with torch.no_grad():
        if option == "diffusion":
            flow, _ = diffusion_forced_flow(stage.model, noisy, 1000 * sigma, text)
        else:
            past = shifted(uniform[:, CHUNKS:] * (0.3 if option == "noised" else 0.0))
            seen = (1 - of_frames(past)) * clean + of_frames(past) * noise
            flow, _ = teacher_forced_flow(stage.model, seen, noisy, 1000 * sigma, text, 1000 * past)
    weight = bell_weight(1000 * sigma, bell_total(SHIFT)) if option == "teacher" else torch.ones(2, CHUNKS)
    found = stage.micro_batch(step, rows)
    assert found.loss.item() == pytest.approx(weighted(flow, clean, noise, weight), rel=1e-4)
    assert found.logged == {"loss": float(found.loss.detach())}
    assert found.prompts == captions


@pytest.mark.parametrize("rows", [range(2), range(30, 34)])
def test_held_out_clips_see_the_same_noise_and_levels_in_every_validation(folders: dict[str, Any], rows: range) -> None:
    """Of 32 rows, or as many as the last batch reaches; the averaged weights answer, and no caption is dropped."""
    stage, total = stage_of(folders), max(32, rows.stop)
    with torch.no_grad():
        stage.model.proj_out.bias.add_(1.0)
    chosen = generator("validation-clips").integers(HELD_OUT_CLIPS, size=total)[rows.start : rows.stop]
    clean, captions = LatentClips(folders["data"], "validation").take(chosen)
    noise = normal_rows((CHANNELS, FRAMES, SIDE, SIDE), rows, "validation-noise")
    sigma = shifted(draw_rows(total, rows, "validation-levels", columns=2 * CHUNKS)[:, :CHUNKS])
    noisy = (1 - of_frames(sigma)) * clean + of_frames(sigma) * noise
    text = TextContext(encoder().encode(captions))
    with torch.no_grad():
        flow, _ = teacher_forced_flow(stage.ema.model, clean, noisy, 1000 * sigma, text)
        found = stage.held_out_loss(rows)
    weight = bell_weight(1000 * sigma, bell_total(SHIFT))
    assert found == pytest.approx(weighted(flow, clean, noise, weight), rel=1e-4)


def test_the_validation_loss_is_the_mean_over_32_held_out_rows(folders: dict[str, Any]) -> None:
    stage = stage_of(folders)
    with Calls(stage.ema.model) as calls:
        found = stage.validation_loss()
    assert [len(arguments[0]) for arguments in calls.arguments] == [3] * 10 + [2]
    with torch.no_grad():
        each = [stage.held_out_loss(range(row, min(32, row + 3))) for row in range(0, 32, 3)]
    assert found == pytest.approx(sum(each) / 11)


def test_the_batch_has_the_recipes_size_and_length(folders: dict[str, Any]) -> None:
    stage = stage_of(folders, latent_frames=4, batch_size=4, scale={"gradient_accumulation": 2})
    assert stage.shares(0) == [range(2), range(2, 4)]
    assert stage.batch_shape(0) == (4, CHANNELS, 4, SIDE, SIDE)
    assert stage.tokens(0) == 4 * 4 * 4
