"""Moving a stage's state to another stage the way training does it."""

from pathlib import Path

from trainer.distributed.world import SINGLE
from trainer.engine.checkpoint import CheckpointWriter, load_checkpoint, newest_checkpoint
from trainer.engine.loop import Stage


def copy_state(source: Stage, target: Stage, folder: Path) -> None:
    """Through a checkpoint."""
    CheckpointWriter(folder, SINGLE, keep=1, asynchronous=False).save(1, source.training_state(), "")
    facts = newest_checkpoint(folder)
    assert facts is not None
    load_checkpoint(facts, target.training_state())
