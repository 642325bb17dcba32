"""What is done with the weights of a checkpoint: the export, contact sheets, evaluations. Repeated if interrupted."""

import logging
from pathlib import Path
from typing import Final, Protocol

import torch

from probekit.atomic_files import write_json
from probekit.errors import UserError
from probekit.user_files.json_files import read_json_object
from trainer.distributed.world import World
from trainer.engine.evaluation_hook import Log, Watcher

LOGGER = logging.getLogger("trainer")

EXPORT: Final = "export"
FOLLOWED_UP: Final = "followed_up.json"
"""Names the checkpoint after which everything was done; a run that is resumed from another does it again."""


def noted_step(folder: Path) -> int:
    """Step of the checkpoint after which everything was done in a run folder; 0 where none is noted.

    Args:
        folder: run folder.
    """
    try:
        found = read_json_object(folder / FOLLOWED_UP, fix="Run the command again.")
    except UserError:  # absent or damaged: it costs a repetition
        return 0
    step = found.get("step")
    return step if isinstance(step, int) else 0


class Exporting(Protocol):
    """The part of a stage that is needed here."""

    def export(self, folder: Path) -> None:
        """Write the model for use; every process takes part."""
        ...


class FollowUp:
    """Everything that follows a step's update.

    Args:
        stage: holds the weights.
        folder: run folder.
        watcher: looks at exports.
        world: processes of the run; every one makes every call.
        log: takes the scores of evaluations.
    """

    def __init__(self, stage: Exporting, folder: Path, watcher: Watcher, world: World, log: Log) -> None:
        self._stage = stage
        self._folder = folder
        self._watcher = watcher
        self._world = world
        self._log = log

    def after_step(self, done: int) -> None:
        """Look at a step between checkpoints, if it is to be looked at."""
        if self._watcher.wants_export(done):
            self._export_and_look(done)

    def after_checkpoint(self, done: int) -> None:
        """Export the weights of a checkpoint and look at them, then note that this was done."""
        self._export_and_look(done)
        if self._world.main:
            write_json(self._folder / FOLLOWED_UP, {"step": done})

    def catch_up(self, done: int) -> None:
        """Do what an interruption after the checkpoint of this step left undone."""
        if done and self._world.any(self._world.main and not self._was_done(done)):
            if self._world.main:
                LOGGER.info("doing what was interrupted after the checkpoint of step %d", done)
            self.after_checkpoint(done)

    def _export_and_look(self, done: int) -> None:
        """Export and look; torch's random state stays, so that a run that repeats this goes on as if it had not."""
        export = self._folder / EXPORT
        with torch.random.fork_rng(devices=[]):
            self._stage.export(export)
            if self._world.main and self._watcher.wants_export(done):
                self._watcher.look(done, export, self._log)

    def _was_done(self, done: int) -> bool:
        return noted_step(self._folder) == done and (self._folder / EXPORT).is_dir()
