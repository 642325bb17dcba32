"""Threads wait passively in both command lines, and tiny fits use one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from probekit.probing.decoders import Goals, fit_decoders
from probekit.probing.probe_settings import DecoderBudget
from probekit.threads import one_thread

WATCHED = """
import os, sys

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            print("torch sees", os.environ.get("OMP_WAIT_POLICY"), flush=True)
            os._exit(0)

sys.meta_path.insert(0, Watch())
from {module} import app
app({arguments!r})
"""
COMMANDS = {
    "probekit.cli.main": ["sample", "--model", "sprite-dmd-baseline", "--out", "x", "--plan"],
    "trainer.cli": ["train", "nowhere.yaml"],
}


def seen_by_torch(module: str, folder: Path, policy: str | None) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    if policy is not None:
        environment["OMP_WAIT_POLICY"] = policy
    code = WATCHED.format(module=module, arguments=COMMANDS[module])
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True)
    return next(line for line in done.stdout.splitlines() if line.startswith("torch sees"))


@pytest.mark.long
@pytest.mark.parametrize("module", COMMANDS)
def test_threads_wait_passively_before_torch_loads_unless_the_user_says_otherwise(module: str, tmp_path: Path) -> None:
    assert seen_by_torch(module, tmp_path, None) == "torch sees PASSIVE"
    assert seen_by_torch(module, tmp_path, "ACTIVE") == "torch sees ACTIVE"


def test_one_thread_works_and_the_others_come_back() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 3
        with pytest.raises(KeyError), one_thread():
            raise KeyError
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_a_probe_does_not_depend_on_the_number_of_threads() -> None:
    rng = torch.Generator().manual_seed(0)
    states, frames = torch.randn(600, 300, generator=rng), torch.rand(1, 600, 48, generator=rng)
    goals = Goals(frames, torch.ones(1, 600, dtype=torch.bool))
    budget = DecoderBudget(width=256, steps=5, validate_every=5)
    before, read = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            read.append(fit_decoders(states, goals, states, goals, states[:50], budget).readouts)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(read[0], read[1])
    assert torch.equal(read[0], read[2])
