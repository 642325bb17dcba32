"""The loop and the bidirectional stage at tiny size: resume is exact, bad runs stop cleanly."""

import json
import os
import signal
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from probekit.config import load_config
from probekit.errors import UserError
from probekit.models.loading import load_codec, load_model
from probekit.models.model_folder import SHIPPED_MODELS
from tests.helpers.places import REPOSITORY
from tests.helpers.warm_python import run_python
from trainer.config.recipe import BidirectionalConfig
from trainer.data.latent_clips import LatentClips, shard_path
from trainer.data.sprite_latents import encode_shard
from trainer.distributed.world import SINGLE
from trainer.engine.checkpoint import CheckpointWriter, checkpoint_paths, load_checkpoint, newest_checkpoint
from trainer.engine.loop import Ending, run
from trainer.errors import NonFiniteTraining
from trainer.stages.bidirectional import BidirectionalStage

RECIPE = """
stage: bidirectional
name: tiny
seed: 0
model: {{heads: 1, layers: 1}}
data: {data}
text_and_codec: {parts}
phases:
  - {{steps: 2, latent_frames: 1, batch_size: 4}}
  - {{steps: 4, latent_frames: 3, batch_size: 2, timestep_shift: 4.0}}
optimizer: {{learning_rate: 1.0e-3, warmup_steps: 2, decay_steps: 2}}
checkpoint_every: 3
log_every: 1
"""


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    codec = load_codec(SHIPPED_MODELS / "sprite-base")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainer.data.sprite_latents.SHARD_SIZE", 8)
        for split in ("train", "validation"):
            encode_shard(codec, split, 0, 0, shard_path(folder, split, 0))
    return folder


@pytest.fixture
def config(clips: Path, tmp_path: Path) -> BidirectionalConfig:
    path = tmp_path / "tiny.yaml"
    path.write_text(RECIPE.format(data=clips, parts=SHIPPED_MODELS / "sprite-base"))
    return load_config(path, BidirectionalConfig)


class StoppedEarly(BidirectionalStage):
    """Sends this process an interrupt in its second step, as Ctrl-C does."""

    def training_step(self, step: int) -> dict[str, float]:
        if step == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return super().training_step(step)


def weights(stage: BidirectionalStage) -> dict[str, torch.Tensor]:
    return {**stage.model.state_dict(), **{f"ema.{k}": v for k, v in stage.ema.model.state_dict().items()}}


@pytest.mark.long
def test_interrupted_and_resumed_equals_uninterrupted_bit_for_bit(config: BidirectionalConfig, tmp_path: Path) -> None:
    """With Muon, which keeps AdamW's state for some weights and its own for others."""
    config = config.model_copy(update={"optimizer": config.optimizer.model_copy(update={"kind": "muon"})})
    whole = BidirectionalStage(config)
    assert run(whole, config, tmp_path / "whole") is Ending.COMPLETE
    assert run(StoppedEarly(config), config, tmp_path / "parts") is Ending.INTERRUPTED
    assert [path.name for path in checkpoint_paths(tmp_path / "parts" / "checkpoints")] == ["step-0000002"]
    resumed = BidirectionalStage(config)
    assert run(resumed, config, tmp_path / "parts") is Ending.COMPLETE
    for name, tensor in weights(whole).items():
        assert torch.equal(tensor, weights(resumed)[name]), name


def test_logs_every_step_and_keeps_two_checkpoints(config: BidirectionalConfig, tmp_path: Path) -> None:
    run(BidirectionalStage(config), config, tmp_path)
    records = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [record["step"] for record in records if "loss" in record] == [1, 2, 3, 4, 5, 6]
    assert all("validation_loss" in record for record in records if "loss" not in record)
    assert [path.name for path in checkpoint_paths(tmp_path / "checkpoints")] == ["step-0000003", "step-0000006"]
    assert any((tmp_path / "tensorboard").iterdir())


def test_tensorboard_holds_what_the_lines_hold(config: BidirectionalConfig, tmp_path: Path) -> None:
    run(BidirectionalStage(config), config, tmp_path)
    records = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert set(board.Tags()["scalars"]) == {name for record in records for name in record} - {"step"}
    losses = [(event.step, event.value) for event in board.Scalars("loss")]
    assert losses == [(r["step"], pytest.approx(r["loss"])) for r in records if "loss" in r]


def test_logs_come_as_often_as_asked(config: BidirectionalConfig, tmp_path: Path) -> None:
    rare = config.model_copy(update={"log_every": 4})
    run(BidirectionalStage(rare), rare, tmp_path)
    records = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [record["step"] for record in records if "loss" in record] == [4]


NO_NETWORK = """
import socket, sys
class Blocked(socket.socket):
    def connect(self, address):
        raise AssertionError(f"connects to {address}")
    connect_ex = connect
socket.socket = Blocked
socket.create_connection = Blocked.connect
socket.getaddrinfo = lambda *names, **options: Blocked.connect(None, names)
from trainer.cli import app
app(["train", sys.argv[1], "--out", sys.argv[2]])
"""


@pytest.mark.long
def test_a_default_run_needs_no_network(config: BidirectionalConfig, tmp_path: Path) -> None:
    ended = run_python(["-c", NO_NETWORK, str(tmp_path / "tiny.yaml"), str(tmp_path / "run")], tmp_path)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert (tmp_path / "run" / "export").is_dir()


def test_the_librarys_random_state_is_part_of_a_checkpoint(config: BidirectionalConfig, tmp_path: Path) -> None:
    stage = BidirectionalStage(config)
    writer = CheckpointWriter(tmp_path, SINGLE, keep=1, asynchronous=False)
    writer.save(1, stage.training_state(), "")
    drawn = torch.rand(3)
    torch.manual_seed(99)
    facts = newest_checkpoint(tmp_path)
    assert facts is not None
    load_checkpoint(facts, stage.training_state())
    assert torch.equal(torch.rand(3), drawn)


def test_the_export_opens_and_holds_the_average_in_bf16(config: BidirectionalConfig, tmp_path: Path) -> None:
    stage = BidirectionalStage(config)
    run(stage, config, tmp_path)
    parts = load_model(tmp_path / "export")
    for name, tensor in parts.transformer.state_dict().items():
        assert torch.equal(tensor, stage.ema.model.state_dict()[name].bfloat16().float()), name


@pytest.mark.long
def test_another_recipe_in_the_same_folder_is_refused_unless_allowed(
    config: BidirectionalConfig, tmp_path: Path
) -> None:
    run(BidirectionalStage(config), config, tmp_path)
    other = config.model_copy(update={"ema_decay": 0.5, "phases": (*config.phases, config.phases[1])})
    with pytest.raises(UserError, match="another configuration"):
        run(BidirectionalStage(other), other, tmp_path)
    assert run(BidirectionalStage(other), other, tmp_path, allow_change=True) is Ending.COMPLETE
    latest = newest_checkpoint(tmp_path / "checkpoints")
    assert latest is not None
    assert latest.steps_done == 10
    assert (tmp_path / "config.until-step-6.yaml").exists()


def test_a_non_finite_loss_stops_before_any_weight_changes(config: BidirectionalConfig, tmp_path: Path) -> None:
    stage = BidirectionalStage(config)
    stage.training_step(0)
    with torch.no_grad():
        stage.model.proj_out.bias[0] = float("nan")
    before = {name: tensor.clone() for name, tensor in weights(stage).items()}
    with pytest.raises(NonFiniteTraining, match=r"step 1.*seed 0.*over the"):
        stage.training_step(1)
    for name, tensor in weights(stage).items():
        torch.testing.assert_close(tensor, before[name], equal_nan=True, atol=0, rtol=0)


def test_learning_rate_warms_up_and_decays(config: BidirectionalConfig) -> None:
    stage = BidirectionalStage(config)
    rates = [stage.training_step(step)["learning_rate"] for step in range(6)]
    assert rates == pytest.approx([5e-4, 1e-3, 1e-3, 1e-3, 1e-3, 5e-4])


@pytest.mark.long
def test_a_broken_checkpoint_is_named(config: BidirectionalConfig, tmp_path: Path) -> None:
    run(BidirectionalStage(config), config, tmp_path)
    newest = checkpoint_paths(tmp_path / "checkpoints")[-1]
    data = newest / "__0_0.distcp"
    data.write_bytes(data.read_bytes()[:1000])
    with pytest.raises(UserError, match=newest.name):
        run(BidirectionalStage(config), config, tmp_path)


def test_missing_clips_name_the_command_that_makes_them(config: BidirectionalConfig, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="trainer encode-sprites"):
        LatentClips(tmp_path, "train")


def test_a_misspelt_recipe_key_names_the_nearest(config: BidirectionalConfig, tmp_path: Path) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_text(path.read_text().replace("ema_decay", "x") + "\nema_deccay: 0.9\n")
    with pytest.raises(UserError, match="ema_decay"):
        load_config(path, BidirectionalConfig)


def test_shipped_recipes_are_valid() -> None:
    for path in (REPOSITORY / "trainer" / "recipes" / "sprite").glob("sprite_*.yaml"):
        recipe = load_config(path, BidirectionalConfig)
        assert recipe.phases[-1].latent_frames == 21
