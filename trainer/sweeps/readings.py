"""What is read from a sweep's training runs beside their scores: states, gradients, what lasts in their videos."""

import logging
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Any, Final, NamedTuple

from probekit.atomic_files import write_json
from probekit.models.loading import hash_checkpoint
from probekit.user_files.json_files import json_holds
from trainer.commands.training import Training
from trainer.config.readings import SweepReadings
from trainer.config.recipe import DmdConfig, load_recipe
from trainer.engine.checkpoint import newest_checkpoint
from trainer.engine.follow_up import EXPORT
from trainer.sweeps.logged_commands import run_commands
from trainer.sweeps.open_sweep import OpenSweep, RowRun
from trainer.sweeps.reuse import taken_from
from trainer.sweeps.scoring import videos_of

LOGGER = logging.getLogger("trainer")

READINGS: Final = "readings"
_STATES: Final = "states"
_DONE: Final = "finished.json"
_LOCKS: Final[dict[Path, Lock]] = defaultdict(Lock)
"""By folder: runs that were taken from one read its states there."""


class Reading(NamedTuple):
    """One part of what is read from a run.

    Attributes:
        part: name, such as `probes`.
        folder: folder of its files.
        facts: what its files depend on, as JSON has it.
        command: command that makes them.
    """

    part: str
    folder: Path
    facts: dict[str, Any]
    command: tuple[str, ...]

    def is_done(self) -> bool:
        """Whether its files are there, made as it is asked now."""
        return json_holds(self.folder / _DONE, self.facts)


def readings_of(sweep: OpenSweep, run: RowRun) -> list[Reading]:
    """What is to be read from a trained run, in order; nothing for runs beyond those that are read."""
    asked = sweep.config.readings
    if asked is None or run.number >= asked.runs:
        return []
    return [reading for reading in _all(sweep, run, asked) if reading.part in (*asked.parts, _STATES)]


def open_readings(sweep: OpenSweep, run: RowRun) -> list[str]:
    """Names of those parts that are not done."""
    return [reading.part for reading in readings_of(sweep, run) if not reading.is_done()]


def make_readings(sweep: OpenSweep, run: RowRun, jobs: int) -> None:
    """Read from a trained and scored run what is not there.

    Args:
        sweep: the sweep.
        run: trained run.
        jobs: runs side by side; they share the cores.

    Raises:
        UserError: if a command fails, naming its log.
    """
    for reading in readings_of(sweep, run):
        with _LOCKS[reading.folder.resolve()]:
            if not reading.is_done():
                log = reading.folder.with_suffix(".log")
                LOGGER.info("%s: reading %s, log in %s", run.label, reading.part, log)
                run_commands((reading.command,), log, run.folder, jobs)
                write_json(reading.folder / _DONE, reading.facts)


def _all(sweep: OpenSweep, run: RowRun, asked: SweepReadings) -> Iterator[Reading]:
    """Every part, wanted or not."""
    own, scored = sweep.out / run.folder, sweep.config.suites[0]
    weights, origin = hash_checkpoint(own / EXPORT), taken_from(own) or own  # states are read once for all
    yield from _of_states(asked, origin, weights)
    yield from _of_gradients(asked, sweep.trainings(run)[-1], origin, weights)
    videos = videos_of(run, sweep.out, sweep.config, scored)
    facts = {"weights": weights, **scored.model_dump(mode="json")}
    yield _reading("permanence", own, facts, "probekit", "permanence", str(videos))


def _of_states(asked: SweepReadings, run: Path, weights: str) -> Iterator[Reading]:
    states = {"weights": weights, **asked.model_dump(mode="json", include={"suite", "prompts", "site"})}
    if {"probes", "alignment"} & set(asked.parts):
        size = ("--suite", asked.suite, "--prompts", str(asked.prompts), "--samples", "1", "--site", asked.site)
        yield _reading(_STATES, run, states, "probekit", "capture", str(run / EXPORT), *size)
    store, ahead = str(run / READINGS / _STATES), states | {"horizons": list(asked.horizons)}
    horizons, offsets = (_each(option, asked.horizons) for option in ("--horizon", "--offset"))
    yield _reading("probes", run, ahead, "probekit", "probe", store, *horizons, "--no-perceptual")
    encoder = {"encoder": asked.encoder}
    yield _reading("alignment", run, ahead | encoder, "probekit", "align", store, "--encoder", asked.encoder, *offsets)


def _of_gradients(asked: SweepReadings, last: Training, origin: Path, weights: str) -> Iterator[Reading]:
    """Of a distillation with two losses, at its last checkpoint."""
    recipe = load_recipe(last.recipe, last.changes)
    if not isinstance(recipe, DmdConfig) or recipe.foresight is None or not newest_checkpoint(origin / "checkpoints"):
        return
    words = ("trainer", "gradients", str(last.recipe), "--run", str(origin), "--batches", str(asked.batches))
    changes = (word for change in last.changes for word in ("--set", change))
    yield _reading("gradients", origin, {"weights": weights, "batches": asked.batches}, *words, *changes)


def _reading(part: str, run: Path, facts: dict[str, Any], *command: str) -> Reading:
    folder = run / READINGS / part
    return Reading(part, folder, facts, (*command, "--out", str(folder)))


def _each(option: str, values: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(word for value in values for word in (option, str(value)))
