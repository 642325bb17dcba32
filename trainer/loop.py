"""The training loop: steps, logs, checkpoints, interruption, resumption. What a step does is the stage's business."""

import logging
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import yaml
from pydantic import ValidationError

from probekit.atomic_files import write_text
from probekit.config import dump_config
from probekit.errors import UserError
from probekit.progress import track
from trainer.checkpoint import Checkpoint, load_latest, save_checkpoint
from trainer.config import StageConfig
from trainer.tracking import Tracker

LOGGER = logging.getLogger("trainer")


class Stage(Protocol):
    """What the loop needs of a training stage."""

    def training_step(self, step: int) -> dict[str, float]:
        """Do the zero-based step and return what to log."""
        ...

    def validation_loss(self) -> float:
        """Loss on held-out data."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore from `state_dict`."""
        ...

    def export(self, folder: Path) -> None:
        """Write the model for use."""
        ...


class StopRequest:
    """Set by SIGINT or SIGTERM; the loop then finishes its step, saves and returns."""

    def __init__(self) -> None:
        self.requested = False

    def _request(self, number: int, frame: FrameType | None) -> None:
        self.requested = True

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
    checkpoint = load_latest(folder / "checkpoints")
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
    stage.load_state_dict(checkpoint.state)
    return checkpoint.steps_done


def _same_configuration(stored: str, config: StageConfig) -> bool:
    """Whether a stored configuration means the same today; keys that it does not know yet take their defaults."""
    try:
        return type(config).model_validate(yaml.safe_load(stored)) == config
    except ValidationError:
        return False


def run(stage: Stage, config: StageConfig, folder: Path, *, allow_change: bool = False) -> bool:
    """Train to the end, or until interrupted; resumes by itself. Returns whether the run is complete.

    Args:
        stage: does the steps.
        config: of the run; written into the folder.
        folder: of the run.
        allow_change: resume although the folder's run had another configuration.
    """
    first = resume(stage, config, folder, allow_change)
    write_text(folder / "config.yaml", dump_config(config))
    steps = range(first, config.total_steps)
    with Tracker(folder) as tracker, StopRequest().listening() as stop:
        for step in track(steps, f"training {config.name}", len(steps)):
            started = time.perf_counter()
            values = stage.training_step(step)
            done = step + 1
            if done % config.log_every == 0:
                tracker.log(done, **values, seconds=time.perf_counter() - started)
            if done % config.checkpoint_every == 0 or done == config.total_steps or stop.requested:
                tracker.log(done, validation_loss=stage.validation_loss())
                save_checkpoint(folder / "checkpoints", Checkpoint(done, stage.state_dict(), dump_config(config)))
                stage.export(folder / "export")
            if stop.requested and done < config.total_steps:
                LOGGER.warning("interrupted after step %d; run the same command again to resume", done)
                return False
    return True
