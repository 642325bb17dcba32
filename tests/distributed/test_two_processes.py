"""Training by two processes (gloo, CPU): the same run, however it is shared out; torchrun where one of them fails."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.distributed.checkpoint.state_dict_loader import load

from tests.helpers.places import REPOSITORY
from tests.helpers.warm_python import run_together, start_python
from tests.unit.trainer.stages.test_asymmetric_dmd import folders  # noqa: F401
from trainer.data.prompts import sprite_prompts
from trainer.engine.checkpoint import checkpoint_paths, newest_checkpoint
from trainer.engine.safe_checkpoint_files import SafeReader, TensorPlanner

pytestmark = pytest.mark.long

RECIPES = REPOSITORY / "trainer" / "recipes" / "sprite"
STEPS = 3
MACHINE = ("seconds", "processor_seconds", "tokens_per_second", "peak_memory_mib")


def train_arguments(recipe: Path, out: Path, *settings: str) -> list[str]:
    changes = [part for setting in settings for part in ("--set", setting)]
    return ["-m", "trainer", "train", str(recipe), "--out", str(out), "--allow-recipe-change", *changes]


def torchrun(processes: int, *arguments: str) -> "subprocess.Popen[str]":
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes), "--rdzv-backend", "c10d"]
    command = [sys.executable, *launcher, "--rdzv-endpoint", "localhost:0", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment)


def train(processes: int, recipe: Path, out: Path, *settings: str) -> None:
    run_together(processes, train_arguments(recipe, out, *settings), out.with_name(f"{out.name}-processes"))


@pytest.fixture
def recipe(folders: dict[str, str], tmp_path: Path) -> Path:  # noqa: F811
    path = tmp_path / "recipe.yaml"
    models = "\n".join(f"{key}: {value}" for key, value in folders.items())
    path.write_text(
        f"extends: {RECIPES / 'dmd_foresight.yaml'}\n{models}\nsteps: {STEPS}\nlatent_frames: 6\nbatch_size: 4\n"
        "critic_updates: 2\ncheckpoint_every: 1\nthreads: 1\noptimizer: {warmup_steps: 0}\n"
        "foresight: {predictor_heads: 1, predictor_blocks: 1}\nscale: {keep_checkpoints: 10}\n"
    )
    return path


def read_state(path: Path) -> dict[str, Tensor]:
    index = SafeReader(path).read_metadata().state_dict_metadata
    names = [name for name in index if not name.startswith("rng.")]
    state = {name: torch.empty(index[name].size, dtype=index[name].properties.dtype) for name in names}
    load(state, storage_reader=SafeReader(path), planner=TensorPlanner(), no_dist=True)
    return state


def final_state(out: Path, steps: int = STEPS) -> dict[str, Tensor]:
    newest = newest_checkpoint(out / "checkpoints")
    assert newest is not None
    assert newest.steps_done == steps
    return read_state(newest.path)


def weights(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in state.items() if name.startswith("models.")}


def assert_close(one: dict[str, Tensor], other: dict[str, Tensor], tolerance: float) -> None:
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert (tensor.double() - other[name].double()).abs().max() <= tolerance, name


def logged(out: Path) -> list[dict[str, float]]:
    records = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in record.items() if name not in MACHINE} for record in records]


def test_two_processes_equal_one_and_micro_batches_equal_the_batch(recipe: Path, tmp_path: Path) -> None:
    """Small rates, because Adam turns tiny differences of tiny gradients into steps of the size of the rate."""
    gentle = ["optimizer.learning_rate=1e-5", "critic_optimizer.learning_rate=1e-5", "foresight.learning_rate=1e-5"]
    gentle += ["steps=2", "checkpoint_every=2", "optimizer.kind=muon"]
    runs = {
        "one": (1, ()),
        "two": (2, ()),
        "accumulated": (1, ("scale.gradient_accumulation=2",)),
        "both": (2, ("scale.gradient_accumulation=2", "scale.activation_checkpointing=true")),
    }
    for name, (processes, settings) in runs.items():
        train(processes, recipe, tmp_path / name, *gentle, *settings)
    reference = weights(final_state(tmp_path / "one", 2))
    for name in ("two", "accumulated", "both"):
        assert_close(weights(final_state(tmp_path / name, 2)), reference, 1e-5)
        for ours, theirs in zip(logged(tmp_path / name), logged(tmp_path / "one"), strict=True):
            assert ours == pytest.approx(theirs, rel=1e-3, abs=1e-5), name


def test_killed_and_resharded_runs_go_on_as_if_nothing_had_happened(recipe: Path, tmp_path: Path) -> None:
    """kill -9 of one worker ends both, and the run goes on bit for bit; then 2, 1 and 2 processes take turns."""
    train(2, recipe, tmp_path / "whole")
    victim = torchrun(2, *train_arguments(recipe, tmp_path / "broken"))
    deadline = time.monotonic() + 180
    while not checkpoint_paths(tmp_path / "broken" / "checkpoints") and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(children(victim.pid)[0], signal.SIGKILL)
    victim.communicate(timeout=120)
    assert victim.returncode != 0
    train(2, recipe, tmp_path / "broken")
    assert_close(final_state(tmp_path / "broken"), final_state(tmp_path / "whole"), 0.0)
    for processes, steps in ((2, 1), (1, 2), (2, STEPS)):
        train(processes, recipe, tmp_path / "changing", f"steps={steps}")
    assert_close(weights(final_state(tmp_path / "changing")), weights(final_state(tmp_path / "whole")), 1e-3)


def test_sigterm_saves_and_ends_with_success(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = start_python(train_arguments(recipe, out, "steps=10000", "checkpoint_every=5000"), tmp_path)
    deadline = time.monotonic() + 120
    while not (out / "metrics.jsonl").is_file() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 0
    assert len(checkpoint_paths(out / "checkpoints")) == 1


FAILING = """
from torch import distributed
from probekit.errors import UserError
from trainer.distributed.world import joined_world

with joined_world() as world:
    if world.rank == 1:
        raise UserError("the shard clips-00007 is gone.", "copy it again.")
    world.wait()
"""


def test_the_error_of_one_process_ends_the_others_with_that_error(tmp_path: Path) -> None:
    script = tmp_path / "failing.py"
    script.write_text("import logging\nlogging.basicConfig()\n" + FAILING)
    process = torchrun(2, str(script))
    _, errors = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "another process failed, rank 1: the shard clips-00007 is gone." in errors


SHARDED = """
import os, sys
from pathlib import Path
import torch
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor
from trainer.config.recipe import load_recipe
from trainer.distributed.sharding import blocks_of
from trainer.distributed.world import joined_world
from trainer.errors import NonFiniteTraining
from trainer.launch import build_stage

with joined_world() as world:
    stage = build_stage(load_recipe(Path(sys.argv[1])), world)
    models = {
        "generator": stage.model, "average": stage.ema.model, "critic": stage.scores.critic, "real": stage.scores.real,
        "predictor": stage.auxiliary.predictor,
    }
    for name, model in models.items():
        assert isinstance(model, FSDPModule), name
        assert all(isinstance(block, FSDPModule) for block in blocks_of(model)), name
        assert all(isinstance(parameter, DTensor) for parameter in model.parameters()), name
    total = sum(parameter.numel() for parameter in stage.scores.critic.parameters())
    own = sum(parameter.to_local().numel() for parameter in stage.scores.critic.parameters())
    assert own < 0.6 * total, (own, total)

    before = [parameter.to_local().clone() for parameter in stage.model.parameters()]
    whole = stage.scores.gradient
    def broken(video, text, rows, names):  # one process alone gets a number that is not finite
        return whole(video, text, rows, names) * (float("nan") if world.rank == 1 else 1.0)
    stage.scores.gradient = broken
    try:
        stage.training_step(0)
    except NonFiniteTraining as error:
        Path(sys.argv[2], f"rank-{world.rank}.txt").write_text(error.problem)  # lines of two processes may mix
    else:
        raise AssertionError("not noticed")
    same = all(torch.equal(old, new.to_local()) for old, new in zip(before, stage.model.parameters()))
    assert same, "weights have changed"
"""


def test_every_model_is_sharded_and_a_number_that_is_not_finite_stops_all_processes(
    recipe: Path, tmp_path: Path
) -> None:
    """The process without the fault raises too, names the prompts of the one with it, and no weight has changed."""
    run_together(2, ["-c", SHARDED, str(recipe), str(tmp_path)], tmp_path / "processes")
    found = [(tmp_path / f"rank-{rank}.txt").read_text() for rank in range(2)]
    assert "step 0" in found[0]
    assert "seed 6" in found[0]
    prompts = sprite_prompts("train", 4, "dmd", 6, 0, 0)
    assert f"prompts {prompts[2:]}" in found[0]
    assert found[1] == found[0]


def children(parent: int) -> Sequence[int]:
    found = subprocess.run(["pgrep", "-P", str(parent)], capture_output=True, text=True, check=False)
    return [int(line) for line in found.stdout.split()]
