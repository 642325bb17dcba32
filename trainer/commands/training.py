"""One stage of a training: the command that runs it, where it writes, and whether it is done."""

import sys
from pathlib import Path
from typing import Final, NamedTuple

from trainer.config.causal import TrajectoryConfig
from trainer.config.recipe import load_recipe
from trainer.engine.checkpoint import newest_checkpoint
from trainer.engine.follow_up import noted_step

TAKEN: Final = "taken.json"
"""Says which run of another sweep a run folder is a copy of."""


class Training(NamedTuple):
    """One stage.

    Attributes:
        recipe: recipe of the stage.
        folder: run folder.
        changes: overrides of the recipe, in the order in which they are applied.
    """

    recipe: Path
    folder: Path
    changes: tuple[str, ...]

    def command(self, processes: int) -> list[str]:
        """Command that trains the stage on a number of processes."""
        return [sys.executable, "-m", *self.module_and_arguments(processes)]

    def module_and_arguments(self, processes: int) -> tuple[str, ...]:
        """Module that the command runs, and its arguments."""
        launcher = ("torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "-m")
        changes = (part for change in self.changes for part in ("--set", change))
        command = ("trainer", "train", str(self.recipe), "--out", str(self.folder), *changes)
        return (*launcher, *command) if processes > 1 else command

    def steps(self) -> tuple[int, int | None]:
        """Steps that are trained, and those of its recipe; None for trajectories, which have none.

        A run that is finished stays so when its checkpoints are deleted.
        """
        recipe = load_recipe(self.recipe, self.changes)
        newest = newest_checkpoint(self.folder / "checkpoints")
        planned = None if isinstance(recipe, TrajectoryConfig) else recipe.total_steps
        return max(noted_step(self.folder), 0 if newest is None else newest.steps_done), planned

    def is_finished(self) -> bool:
        """Whether the stage has trained all steps of its recipe."""
        done, planned = self.steps()
        return done == planned
