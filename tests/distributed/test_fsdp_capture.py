"""Capture under FSDP, by two processes."""

from pathlib import Path

import pytest

from probekit.models.causal_card import CausalCard, write_causal_card
from tests.helpers.model_folders import write_tiny_model
from tests.helpers.warm_python import run_together

pytestmark = pytest.mark.long


def test_states_of_a_sharded_generator_are_those_of_the_whole_one(tmp_path: Path) -> None:
    student = write_tiny_model(tmp_path / "student", seed=1)
    write_causal_card(student, CausalCard(role="dmd_student", chunk_frames=3, shift=5.0, few_steps=(1000, 500)))
    run_together(2, ["-m", "tests.distributed.fsdp_capture", str(student)], tmp_path / "processes")
