"""Watching a training's exports."""

import csv
from pathlib import Path

import pytest

from probekit.errors import UserError
from probekit.models.causal_card import CausalCard, write_causal_card
from probekit.suites.registry import load_suite
from tests.helpers.model_folders import write_tiny_model
from trainer.watch import watch


@pytest.mark.long
def test_every_export_is_sampled_scored_and_shown(tmp_path: Path) -> None:
    card = CausalCard(role="dmd_student", chunk_frames=3, shift=5.0, few_steps=(1000, 500))
    for step in (2, 4):
        write_causal_card(write_tiny_model(tmp_path / "run" / "exports" / f"step-{step:04d}", seed=step), card)
    suite = load_suite("sprite-5s").reduced(2, 1)
    start = write_tiny_model(tmp_path / "start")
    steps = watch([tmp_path / "run"], suite, tmp_path / "out", str(start))
    assert [(step.run, step.step, step.videos) for step in steps] == [
        ("run", "step-0000", 2), ("run", "step-0002", 2), ("run", "step-0004", 2),
    ]  # fmt: skip
    assert all(0 <= step.colors <= 1 for step in steps)
    with (tmp_path / "out" / "steps.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == [step.step for step in steps]
    assert (tmp_path / "out" / "run.png").stat().st_size > 5000
    with pytest.raises(UserError, match="has no exports"):
        watch([tmp_path / "start"], suite, tmp_path / "out")
