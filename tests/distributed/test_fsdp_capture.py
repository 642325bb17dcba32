"""Capture under FSDP, by two processes."""

from pathlib import Path

from probekit.models.causal_card import CausalCard, write_causal_card
from tests.distributed.test_two_processes import launch
from tests.helpers.model_folders import write_tiny_model


def test_states_of_a_sharded_generator_are_those_of_the_whole_one(tmp_path: Path) -> None:
    student = write_tiny_model(tmp_path / "student", seed=1)
    write_causal_card(student, CausalCard(role="dmd_student", chunk_frames=3, shift=5.0, few_steps=(1000, 500)))
    process = launch(2, "-m", "tests.distributed.fsdp_capture", str(student))
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors[-3000:]
