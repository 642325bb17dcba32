"""The training loop: steps, logs, checkpoints, interruption, resumption. What a step does is the stage's business."""

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from types import FrameType
from typing import Protocol

import torch
from pydantic import ValidationError

from probekit.atomic_files import write_text
from probekit.errors import UserError
from probekit.progress import track
from probekit.seeding import counter_seed
from probekit.user_files.yaml_files import parse_yaml
from trainer.config.places import recipe_text, unmarked
from trainer.config.recipe import StageConfig
from trainer.distributed.world import SINGLE, World
from trainer.engine.checkpoint import CheckpointWriter, load_checkpoint, newest_checkpoint
from trainer.engine.evaluation_hook import Watcher
from trainer.engine.follow_up import FollowUp
from trainer.engine.state import TrainingState
from trainer.engine.step_costs import StepCosts
from trainer.engine.tracking import Service, Tracker

LOGGER = logging.getLogger("trainer")


class Stage(Protocol):
    """What the loop needs of a training stage."""

    def training_step(self, step: int) -> dict[str, float]:
        """Do the zero-based step and return what to log."""
        ...

    def tokens(self, step: int) -> int:
        """Tokens that the zero-based step works on, over all processes."""
        ...

    def validation_loss(self) -> float:
        """Loss on held-out data."""
        ...

    def training_state(self) -> TrainingState:
        """Everything that the next step depends on."""
        ...

    def export(self, folder: Path) -> None:
        """Write the model for use; every process takes part."""
        ...


class StopRequest:
    """Set by SIGINT or SIGTERM; the loop then finishes its step, saves and returns."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def _request(self, number: int, frame: FrameType | None) -> None:
        self.signal = number

    @contextmanager
    def listening(self) -> Iterator["StopRequest"]:
        """Turn the two signals into a request while the block runs."""
        previous = {number: signal.signal(number, self._request) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield self
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


def resume(stage: Stage, config: StageConfig, folder: Path, allow_change: bool) -> int:
    """Load the newest checkpoint into the stage; returns the steps already done.

    With `allow_change` another configuration takes over from here; the old one is kept in the folder.

    Raises:
        UserError: if the checkpoint was made with another configuration and no change is allowed.
    """
    checkpoint = newest_checkpoint(folder / "checkpoints")
    if checkpoint is None:
        return 0
    same = _same_configuration(checkpoint.config, config)
    if not same and allow_change:
        write_text(folder / f"config.until-step-{checkpoint.steps_done}.yaml", checkpoint.config)
    elif not same:
        raise UserError(
            f"The run folder {folder} holds a run with another configuration.",
            "Choose another --out, pass --allow-recipe-change to go on with the new one, or delete the folder.",
        )
    load_checkpoint(checkpoint, stage.training_state())
    return checkpoint.steps_done


def _same_configuration(stored: str, config: StageConfig) -> bool:
    """Whether a stored configuration means the same today; keys that it does not know yet take their defaults."""
    try:
        document = unmarked(parse_yaml(stored, "The stored configuration"))
        return type(config).model_validate(document) == config
    except (UserError, ValidationError):
        return False


class Ending(Enum):
    """How a run of the loop ended."""

    COMPLETE = "complete"
    INTERRUPTED = "interrupted"
    TERMINATED = "terminated"


def run(
    stage: Stage,
    config: StageConfig,
    folder: Path,
    *,
    allow_change: bool = False,
    world: World = SINGLE,
    service: Service | None = None,
) -> Ending:
    """Train to the end, or until interrupted; resumes by itself.

    Args:
        stage: does the steps.
        config: configuration of the run; written into the folder.
        folder: folder of the run.
        allow_change: resume although the folder's run had another configuration.
        world: processes of the run; the main one writes logs and exports.
        service: tracking service that also gets the logs.

    Returns:
        `TERMINATED` after SIGTERM, as a cluster sends before it takes a machine away: all is saved.
    """
    torch.manual_seed(counter_seed("global", config.seed, world.rank) % 2**63)  # ours are named; a library's is not
    first = resume(stage, config, folder, allow_change)
    world.wait()
    if world.main:
        write_text(folder / "config.yaml", recipe_text(config))
    steps = range(first, config.total_steps)
    writer = CheckpointWriter(
        folder / "checkpoints", world, config.scale.keep_checkpoints, config.scale.asynchronous_checkpoints
    )
    watcher = Watcher(config.watch, folder, config.name)
    settings = config.model_dump(mode="json")
    with StopRequest().listening() as stop, Tracker(folder, world.main, service, settings, first) as tracker:
        follow_up = FollowUp(stage, folder, watcher, world, lambda at, scores: tracker.log(at, **scores))
        follow_up.catch_up(first)
        shown = track(steps, f"training {config.name}", len(steps)) if world.main else steps
        for step in shown:
            costs = StepCosts(world, stage.tokens(step))
            values = stage.training_step(step)
            done = step + 1
            stopping = world.any(stop.signal is not None) and done < config.total_steps
            if done % config.log_every == 0:
                tracker.log(done, **values, **costs.values())
            if done % config.checkpoint_every == 0 or done == config.total_steps or stopping:
                tracker.log(done, validation_loss=stage.validation_loss())
                writer.save(done, stage.training_state(), recipe_text(config))
                follow_up.after_checkpoint(done)
            else:
                follow_up.after_step(done)
            if stopping:
                writer.finish()
                LOGGER.warning("interrupted after step %d; run the same command again to resume", done)
                return Ending.INTERRUPTED if stop.signal == signal.SIGINT else Ending.TERMINATED
        writer.finish()
    return Ending.COMPLETE
