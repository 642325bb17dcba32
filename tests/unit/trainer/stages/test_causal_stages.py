"""AR fine-tuning, ODE trajectories and causal ODE distillation at tiny size."""

import logging
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from probekit.diffusion.flow_matching import euler_step
from probekit.errors import UserError
from probekit.models.causal_card import CausalCard, read_causal_card, write_causal_card
from probekit.models.loading import load_codec, load_text_encoder
from probekit.models.model_folder import SHIPPED_MODELS
from probekit.models.text_context import TextContext
from tests.helpers.model_folders import write_tiny_model
from tests.helpers.training_states import copy_state
from trainer.config.causal import AutoregressiveConfig, CausalOdeConfig, TrajectoryConfig
from trainer.config.optimizer import OptimizerConfig
from trainer.data.latent_clips import LatentClips, shard_path
from trainer.data.sprite_latents import encode_shard
from trainer.data.trajectories import Trajectories, TrajectoryBatch, trajectory_path, write_trajectories
from trainer.engine.loop import Stage, run
from trainer.errors import NonFiniteTraining
from trainer.plugins import auxiliary_of
from trainer.stages.ar_finetune import AutoregressiveStage
from trainer.stages.causal_ode import CausalOdeStage
from trainer.stages.flows import teacher_forced_flow
from trainer.stages.ode_trajectories import make_trajectories
from trainer.stages.opening import check_frames, open_generator

PARTS = SHIPPED_MODELS / "sprite-base"
LEVELS = (1.0, 0.9375, 0.8333333, 0.625)
OPTIMIZER = OptimizerConfig(learning_rate=1e-3, warmup_steps=1)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainer.data.sprite_latents.SHARD_SIZE", 4)
        for split in ("train", "validation"):
            encode_shard(load_codec(PARTS), split, 0, 0, shard_path(folder, split, 0))
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("models") / "base")


@pytest.fixture(scope="module")
def teacher(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_tiny_model(tmp_path_factory.mktemp("models") / "ar", seed=1)
    write_causal_card(folder, CausalCard(role="ar_teacher", chunk_frames=3, shift=5.0, euler_steps=4, guidance=2.0))
    return folder


def ar_config(clips: Path, base: Path, **changes: object) -> AutoregressiveConfig:
    values: dict[str, object] = {
        "stage": "ar_finetune", "name": "ar", "seed": 0, "initial_model": str(base), "data": clips,
        "text_and_codec": PARTS, "optimizer": OPTIMIZER, "steps": 4, "batch_size": 2, "latent_frames": 6,
        "checkpoint_every": 2, "log_every": 1,
    }  # fmt: skip
    return AutoregressiveConfig.model_validate(values | changes)


def trajectory_config(clips: Path, teacher: Path, out: Path, **changes: object) -> TrajectoryConfig:
    values: dict[str, object] = {
        "stage": "ode_trajectories", "name": "t", "seed": 0, "teacher": str(teacher), "text_and_codec": PARTS,
        "data": clips, "out": out, "shards": 2, "clips_per_shard": 2, "euler_steps": 4, "guidance": 2.0,
    }  # fmt: skip
    return TrajectoryConfig.model_validate(values | changes)


def ode_config(trajectories: Path, teacher: Path, **changes: object) -> CausalOdeConfig:
    values: dict[str, object] = {
        "stage": "causal_ode", "name": "ode", "seed": 0, "initial_model": str(teacher), "optimizer": OPTIMIZER,
        "trajectories": trajectories, "text_and_codec": PARTS, "steps": 4, "batch_size": 2, "checkpoint_every": 2,
        "log_every": 1,
    }  # fmt: skip
    return CausalOdeConfig.model_validate(values | changes)


@pytest.fixture(scope="module")
def trajectories(clips: Path, teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trajectories")
    make_trajectories(trajectory_config(clips, teacher, out))
    return out


class Halting:
    """Any stage, stopped as by Ctrl-C after its second step."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.__dict__.update(
            {name: getattr(stage, name) for name in ("validation_loss", "training_state", "export", "tokens")}
        )

    def training_step(self, step: int) -> dict[str, float]:
        if step == 2:
            raise KeyboardInterrupt
        return self._stage.training_step(step)


def assert_resumes(make: object, config: AutoregressiveConfig | CausalOdeConfig, tmp_path: Path) -> None:
    whole, first, second = (make(config) for _ in range(3))  # type: ignore[operator]
    run(whole, config, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(Halting(first), config, tmp_path / "halted")  # type: ignore[arg-type]
    run(second, config, tmp_path / "halted")
    for name, tensor in whole.ema.model.state_dict().items():
        assert torch.equal(tensor, second.ema.model.state_dict()[name]), name


@pytest.mark.long
def test_ar_finetuning_resumes_exactly_and_exports_a_teacher(clips: Path, base: Path, tmp_path: Path) -> None:
    assert_resumes(AutoregressiveStage, ar_config(clips, base), tmp_path)
    card = read_causal_card(tmp_path / "whole" / "export")
    assert (card.role, card.chunk_frames, card.few_steps) == ("ar_teacher", 3, None)


def test_ar_finetuning_learns(clips: Path, base: Path) -> None:
    stage = AutoregressiveStage(ar_config(clips, base, steps=40, bell_weighting=False, ema_decay=0.5))
    before = stage.validation_loss()
    for step in range(40):
        stage.training_step(step)
    assert stage.validation_loss() < 0.9 * before


def test_trajectories_start_at_noise_follow_the_teacher_and_resume(
    trajectories: Path, clips: Path, teacher: Path, tmp_path: Path
) -> None:
    stored = Trajectories(trajectories, [1.0, 0.9375, 0.8333333, 0.625])
    batch = stored.take(np.arange(4))
    assert batch.states.shape == (4, 4, 16, 21, 8, 8)
    assert abs(float(batch.states[:, 0].std()) - 1) < 0.02
    encoded = LatentClips(clips, "train")
    originals = {tuple(x.flatten()[:8].tolist()) for x in encoded.take(np.arange(len(encoded))).latents}
    assert {tuple(x.flatten()[:8].tolist()) for x in batch.clean} <= originals
    again = tmp_path / "again"
    make_trajectories(trajectory_config(clips, teacher, again), numbers=[1])
    repeated = Trajectories(again, [1.0, 0.9375, 0.8333333, 0.625]).take(np.arange(2))
    assert torch.equal(repeated.endpoint, batch.endpoint[2:])
    assert not trajectory_path(again, 0).exists()


def test_trajectories_of_other_levels_are_refused(trajectories: Path, teacher: Path) -> None:
    with pytest.raises(UserError, match=r"0\.9375"):
        CausalOdeStage(ode_config(trajectories, teacher, few_steps=(1000, 500)))


def test_an_ar_teachers_trajectory_is_its_guided_euler_solution(trajectories: Path, teacher: Path) -> None:
    """Each Euler step from stored state to stored state, in one teacher-forced pass over all chunks, at guidance 2."""
    batch = Trajectories(trajectories, LEVELS).take(np.array([0]))
    assert batch.clean is not None
    model, text = open_generator(str(teacher), ("ar_teacher",), 3, "a test").eval(), load_text_encoder(PARTS)
    points = [*batch.states.unbind(1), batch.endpoint]
    for (sigma, following), (state, further) in zip(pairwise((*LEVELS, 0.0)), pairwise(points), strict=True):
        level = torch.full((1, 7), 1000 * sigma)
        with torch.no_grad():
            flows = [
                teacher_forced_flow(model, batch.clean, state, level, TextContext(text.encode([words])))[0]
                for words in (batch.captions[0], "")
            ]
        guided = flows[1] + 2.0 * (flows[0] - flows[1])
        torch.testing.assert_close(euler_step(state, guided, sigma, following), further, atol=5e-3, rtol=0)


def test_a_cut_shard_of_trajectories_is_named_and_skipped_only_if_told_to(
    trajectories: Path, teacher: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "copied"
    shutil.copytree(trajectories, folder)
    intact = Trajectories(folder, LEVELS).take(np.array([1, 2]))
    cut = trajectory_path(folder, 0)
    cut.write_bytes(cut.read_bytes()[:5000])
    with pytest.raises(UserError, match=r"trajectories-00000\.safetensors cannot be read"):
        CausalOdeStage(ode_config(folder, teacher))
    with caplog.at_level(logging.WARNING, logger="trainer"):
        stage = CausalOdeStage(ode_config(folder, teacher, skip_corrupt_shards=True))
    assert ["skipped: The shard" in record.getMessage() for record in caplog.records] == [True]
    assert len(stage._trajectories) == 2
    assert torch.equal(stage._trajectories.take(np.array([0])).endpoint[0], intact.endpoint[1])


def test_trajectories_of_two_sizes_are_refused(trajectories: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copied"
    shutil.copytree(trajectories, folder)
    clip = torch.zeros(1, 16, 6, 8, 8)
    write_trajectories(
        trajectory_path(folder, 7), TrajectoryBatch(clip[:, None].expand(1, 4, 16, 6, 8, 8), clip, clip, ["a"]), LEVELS
    )
    with pytest.raises(UserError, match=r"trajectories-00007.*one size in a folder"):
        Trajectories(folder, LEVELS)


def test_levels_off_the_euler_grid_are_refused(clips: Path, teacher: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not on a grid of 6"):
        trajectory_config(clips, teacher, tmp_path, euler_steps=6)


@pytest.mark.long
def test_ode_distillation_resumes_exactly_and_exports_a_student(
    trajectories: Path, teacher: Path, tmp_path: Path
) -> None:
    assert_resumes(CausalOdeStage, ode_config(trajectories, teacher), tmp_path)
    card = read_causal_card(tmp_path / "whole" / "export")
    assert (card.role, card.few_steps, card.guidance) == ("ode_student", (1000, 750, 500, 250), 1.0)


@pytest.mark.long
def test_ode_distillation_learns(trajectories: Path, teacher: Path) -> None:
    stage = CausalOdeStage(ode_config(trajectories, teacher, steps=40, ema_decay=0.5))
    before = stage.validation_loss()
    for step in range(40):
        stage.training_step(step)
    assert stage.validation_loss() < 0.9 * before


def test_a_model_of_the_wrong_role_or_chunk_is_refused(base: Path, teacher: Path, clips: Path, tmp_path: Path) -> None:
    student = write_tiny_model(tmp_path / "student")
    write_causal_card(student, CausalCard(role="ode_student", chunk_frames=3, shift=5.0, few_steps=(1000, 500)))
    with pytest.raises(UserError, match="is a ode_student model, which cannot be the teacher"):
        make_trajectories(trajectory_config(clips, student, tmp_path))
    with pytest.raises(UserError, match="chunks of 3 latent frames, not 1"):
        open_generator(str(teacher), ("ar_teacher",), 1, "used")


def test_frames_that_are_not_whole_chunks_are_refused(clips: Path, base: Path) -> None:
    assert check_frames(21, 3) == 7
    with pytest.raises(UserError, match="latent_frames: 7 is not a multiple of chunk_frames: 3"):
        AutoregressiveStage(ar_config(clips, base, latent_frames=7))


def test_a_non_finite_loss_names_step_seed_and_prompts_and_changes_nothing(clips: Path, base: Path) -> None:
    stage = AutoregressiveStage(ar_config(clips, base))
    stage.training_step(0)
    with torch.no_grad():
        stage.model.proj_out.bias.fill_(float("nan"))
    kept = stage.model.blocks[0].ffn.net[2].weight.clone()
    with pytest.raises(NonFiniteTraining, match=r"step 1.*seed 0.*prompts"):
        stage.training_step(1)
    assert torch.equal(kept, stage.model.blocks[0].ffn.net[2].weight)


@pytest.mark.parametrize("encoder", ["ema", "base", "real"])
def test_foresight_in_stage_2_reads_the_ground_truth_and_changes_the_update(
    encoder: str, trajectories: Path, teacher: Path, base: Path, tmp_path: Path
) -> None:
    block = {"predictor_heads": 1, "predictor_blocks": 1, "encoder": encoder, "fusion": "frames"}
    config = ode_config(
        trajectories, teacher, foresight=block, **{f"{encoder}_model": str(base)} if encoder != "ema" else {}
    )
    stage, plain = CausalOdeStage(config, auxiliary_of(config)), CausalOdeStage(ode_config(trajectories, teacher))
    first, reference = stage.training_step(0), plain.training_step(0)
    assert first["loss"] == reference["loss"]
    assert first["auxiliary_loss"] > 0
    assert first["gradient_norm"] != reference["gradient_norm"]
    later = [stage.training_step(step)["auxiliary_loss"] for step in range(1, 4)]
    assert later[-1] < first["auxiliary_loss"]
    resumed = CausalOdeStage(config, auxiliary_of(config))
    copy_state(stage, resumed, tmp_path)
    assert resumed.training_step(4) == stage.training_step(4)


def test_stage_2_has_no_real_score_to_read_with(trajectories: Path, teacher: Path) -> None:
    config = ode_config(trajectories, teacher, foresight={"predictor_heads": 1})
    with pytest.raises(UserError, match="no real score"):
        CausalOdeStage(config, auxiliary_of(config))
    config = ode_config(trajectories, teacher, foresight={"predictor_heads": 1, "encoder": "base"})
    with pytest.raises(UserError, match="needs base_model"):
        CausalOdeStage(config, auxiliary_of(config))
