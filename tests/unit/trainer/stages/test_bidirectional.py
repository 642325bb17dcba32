"""Flow matching of a bidirectional model against its equation: clips, noise, levels and captions of each phase."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from probekit.diffusion.flow_matching import stratified_sigmas
from probekit.errors import UserError
from probekit.models.loading import load_text_encoder
from probekit.models.model_folder import SHIPPED_MODELS
from probekit.models.text_encoding import TextEncoder
from probekit.rollout.noise import normal_rows
from probekit.seeding import counter_seed, generator
from tests.helpers.latent_folders import CHANNELS, FRAMES, HELD_OUT_CLIPS, SIDE, TRAIN_CLIPS, write_clips
from tests.helpers.network_calls import Calls
from trainer.config.recipe import BidirectionalConfig
from trainer.data.latent_clips import LatentClips
from trainer.stages.bidirectional import BidirectionalStage
from trainer.stages.random_rows import draw_rows, drop_captions

PARTS = SHIPPED_MODELS / "sprite-base"
SEED, DROPOUT = 3, 0.5
PHASES = (
    {"steps": 2, "latent_frames": 3, "batch_size": 4, "timestep_shift": 2.0},
    {"steps": 1, "latent_frames": 5, "batch_size": 2, "timestep_shift": 6.0},
)


@cache
def encoder() -> TextEncoder:
    return load_text_encoder(PARTS)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clips(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="module")
def stage(clips: Path) -> BidirectionalStage:
    """One whose output layer is no longer zero."""
    found = BidirectionalStage(config_of(clips))
    for model in (found.model, found.ema.model):
        torch.nn.init.normal_(model.proj_out.weight, std=0.3, generator=torch.Generator().manual_seed(1))
    return found


def config_of(clips: Path, **changes: Any) -> BidirectionalConfig:
    values = {
        "stage": "bidirectional", "name": "b", "seed": SEED, "model": {"heads": 1, "layers": 1}, "data": clips,
        "text_and_codec": PARTS, "phases": PHASES, "caption_dropout": DROPOUT,
        "optimizer": {"learning_rate": 1e-3, "warmup_steps": 0}, **changes,
    }  # fmt: skip
    return BidirectionalConfig.model_validate(values)


def flow_loss(calls: Calls, clean: Tensor, noise: Tensor, sigma: Tensor) -> float:
    """The loss by its equation, once the model was given what it says: x = (1 - σ)·x0 + σ·n, and t = 1000·σ."""
    (given,), (answer,) = calls.given, calls.answers
    level = sigma.view(-1, 1, 1, 1, 1)
    torch.testing.assert_close(given["hidden_states"], (1 - level) * clean + level * noise)
    torch.testing.assert_close(given["timestep"], 1000 * sigma)
    return float((answer - (noise - clean)).square().mean())


@pytest.mark.parametrize(("step", "phase"), [(0, 0), (1, 0), (2, 1)])
def test_a_step_is_flow_matching_on_the_rows_of_its_phases_batch(
    stage: BidirectionalStage, clips: Path, step: int, phase: int
) -> None:
    size, frames, shift = PHASES[phase]["batch_size"], PHASES[phase]["latent_frames"], PHASES[phase]["timestep_shift"]
    assert isinstance(size, int)
    rows = range(1, size)
    chosen = generator("clips", SEED, step).integers(TRAIN_CLIPS, size=size)[1:]
    clean, captions = LatentClips(clips, "train").take(chosen, int(frames))
    noise = normal_rows((CHANNELS, frames, SIDE, SIDE), rows, "training-noise", SEED, step)
    levels = torch.Generator().manual_seed(counter_seed("levels", SEED, step) % 2**63)
    sigma = stratified_sigmas(size, shift, levels)[1:]
    with Calls(stage.model) as calls:
        found = stage.micro_batch(step, rows)
    texts = drop_captions(captions, rows, size, DROPOUT, SEED, step)
    torch.testing.assert_close(calls.given[0]["encoder_hidden_states"], encoder().encode(texts))
    assert found.loss.item() == pytest.approx(flow_loss(calls, clean, noise, sigma), rel=1e-4)
    assert found.loss.requires_grad
    assert found.logged == {"loss": float(found.loss.detach())}
    assert found.prompts == captions  # an error names what was drawn, not what was dropped


def test_batches_are_as_large_and_long_as_their_phase_says(stage: BidirectionalStage) -> None:
    assert [stage.shares(step) for step in range(3)] == [[range(4)], [range(4)], [range(2)]]
    shapes = [stage.batch_shape(step) for step in (1, 2)]
    assert shapes == [(4, CHANNELS, 3, SIDE, SIDE), (2, CHANNELS, 5, SIDE, SIDE)]
    assert [stage.tokens(step) for step in (1, 2)] == [4 * 3 * 4, 2 * 5 * 4]


@pytest.mark.parametrize("rows", [range(2), range(62, 67)])
def test_held_out_clips_are_whole_and_see_fixed_noise_at_shift_two(
    stage: BidirectionalStage, clips: Path, rows: range
) -> None:
    """64 rows, or as many as the last batch reaches; the averaged weights answer, and no caption is dropped."""
    total = max(64, rows.stop)
    chosen = generator("validation-clips").integers(HELD_OUT_CLIPS, size=total)[rows.start : rows.stop]
    clean, captions = LatentClips(clips, "validation").take(chosen)
    noise = normal_rows((CHANNELS, FRAMES, SIDE, SIDE), rows, "validation-noise")
    uniform = draw_rows(total, rows, "validation-levels")
    with Calls(stage.ema.model) as calls:
        found = stage.held_out_loss(rows)
    torch.testing.assert_close(calls.given[0]["encoder_hidden_states"], encoder().encode(captions))
    assert found == pytest.approx(flow_loss(calls, clean, noise, 2 * uniform / (1 + uniform)), rel=1e-4)


def test_the_validation_loss_is_the_mean_over_64_held_out_rows(stage: BidirectionalStage) -> None:
    with Calls(stage.ema.model) as calls:
        found = stage.validation_loss()
    assert [len(given["hidden_states"]) for given in calls.given] == [2] * 32  # batches of the last phase
    each = [stage.held_out_loss(range(row, row + 2)) for row in range(0, 64, 2)]
    assert found == pytest.approx(sum(each) / 32)


def test_the_validation_loss_keeps_no_graph(stage: BidirectionalStage) -> None:
    recording: list[bool] = []
    handle = stage.ema.model.register_forward_pre_hook(lambda *_: recording.append(torch.is_grad_enabled()))
    stage.validation_loss()
    handle.remove()
    assert set(recording) == {False}


def test_a_batch_of_any_phase_that_cannot_be_shared_out_is_refused_before_the_first_step(clips: Path) -> None:
    with pytest.raises(UserError, match="batch_size: 2 cannot be shared"):
        BidirectionalStage(config_of(clips, scale={"gradient_accumulation": 4}))
