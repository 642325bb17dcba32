"""A training killed with SIGKILL goes on as if nothing had happened, bit for bit."""

import signal
import time
from pathlib import Path

import pytest
import torch
from torch.distributed.checkpoint.state_dict_loader import load

from tests.helpers.places import REPOSITORY
from tests.helpers.warm_python import WarmProcess, start_python
from tests.unit.trainer.stages.test_asymmetric_dmd import folders  # noqa: F401
from trainer.engine.checkpoint import checkpoint_paths, newest_checkpoint
from trainer.engine.safe_checkpoint_files import SafeReader, TensorPlanner

STEPS = 3


def start(recipe: Path, out: Path) -> WarmProcess:
    return start_python(["-m", "trainer", "train", str(recipe), "--out", str(out)], recipe.parent)


def write_recipe(path: Path, folders: dict[str, str]) -> Path:  # noqa: F811
    base = REPOSITORY / "trainer" / "recipes" / "sprite" / "dmd_foresight.yaml"
    models = "\n".join(f"{key}: {value}" for key, value in folders.items())
    path.write_text(
        f"extends: {base}\n{models}\nsteps: {STEPS}\nlatent_frames: 6\nbatch_size: 1\ncritic_updates: 1\n"
        "checkpoint_every: 1\nthreads: 1\noptimizer: {warmup_steps: 0}\nforesight: {predictor_heads: 1}\n"
    )
    return path


def state_of(out: Path) -> dict[str, torch.Tensor]:
    checkpoint = newest_checkpoint(out / "checkpoints")
    assert checkpoint is not None
    assert checkpoint.steps_done == STEPS
    index = SafeReader(checkpoint.path).read_metadata().state_dict_metadata
    state = {name: torch.empty(about.size, dtype=about.properties.dtype) for name, about in index.items()}
    load(state, storage_reader=SafeReader(checkpoint.path), planner=TensorPlanner(), no_dist=True)
    return state


@pytest.mark.long
def test_killed_and_started_again_equals_undisturbed(folders: dict[str, str], tmp_path: Path) -> None:  # noqa: F811
    recipe = write_recipe(tmp_path / "recipe.yaml", folders)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    undisturbed = start(recipe, whole)
    victim = start(recipe, broken)
    deadline = time.monotonic() + 600
    while not checkpoint_paths(broken / "checkpoints") and time.monotonic() < deadline and victim.returncode is None:
        time.sleep(0.01)
    victim.send_signal(signal.SIGKILL)
    assert victim.wait() == -signal.SIGKILL
    done = newest_checkpoint(broken / "checkpoints")
    assert done is not None
    assert 1 <= done.steps_done < STEPS
    assert start(recipe, broken).wait() == 0
    assert undisturbed.wait() == 0
    torch.testing.assert_close(state_of(broken), state_of(whole), rtol=0, atol=0)
