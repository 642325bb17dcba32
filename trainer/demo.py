"""The demo: a short training of both arms from the shipped student, then the shipped arms' results."""

import logging
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from probekit.children import start_child
from probekit.errors import UserError
from probekit.reporting.cells import score_text
from probekit.reporting.story import Section
from probekit.reporting.table import Column, Table
from probekit.workflows.demo import DemoPlan, DemoResult, run_demo
from trainer.model_card import read_metrics

LOGGER = logging.getLogger("trainer")

_ARMS: Final = ("baseline", "foresight")
_RECIPES: Final = Path(__file__).parent / "recipes" / "sprite"
_SHOWN: Final = ("dmd_loss", "critic_loss", "auxiliary_loss", "gradient_norm", "seconds")

_SHORT_BATCH: Final = "batch_size=4"
"""Half of the recipe's batch, since the demo is to be quick."""

_Update = tuple[str, dict[str, float]]
"""An arm and a record of its log."""


def train_briefly(out: Path, updates: int, settings: Sequence[str] = ()) -> dict[str, list[dict[str, float]]]:
    """Train both arms side by side for a few generator updates; returns their logged records.

    Each arm runs in a process of its own with one thread; finished arms are not trained again.

    Raises:
        UserError: if an arm fails, naming its log.
    """
    processes = {arm: _start(arm, out / f"short-run-{arm}", updates, settings) for arm in _ARMS}
    failed = [arm for arm, process in processes.items() if process.wait() != 0]
    if failed:
        raise UserError(f"The short training of {failed[0]} failed.", f"See {out / f'short-run-{failed[0]}.log'}.")
    return {arm: _records(out / f"short-run-{arm}" / "metrics.jsonl") for arm in _ARMS}


def _start(arm: str, folder: Path, updates: int, settings: Sequence[str]) -> subprocess.Popen[bytes]:
    changes = [f"steps={updates}", f"checkpoint_every={updates}", "optimizer.warmup_steps=0", _SHORT_BATCH, *settings]
    arguments = ["train", str(_RECIPES / f"dmd_{arm}.yaml"), "--out", str(folder)]
    arguments += [part for change in changes for part in ("--set", change)]
    folder.mkdir(parents=True, exist_ok=True)
    LOGGER.info("short training of %s: %d generator updates, log in %s.log", arm, updates, folder)
    with folder.with_suffix(".log").open("wb") as log:
        return start_child("trainer", arguments, stdout=log, stderr=log)


def _records(path: Path) -> list[dict[str, float]]:
    return [record for record in read_metrics(path.parent) if "dmd_loss" in record]


def training_section(records: dict[str, list[dict[str, float]]]) -> Section:
    """The short run in a table: first and last update of both arms."""
    rows = [(arm, record) for arm, found in records.items() for record in (found[0], found[-1])]
    columns: list[Column[_Update]] = [
        Column("arm", lambda row: row[0]),
        Column("update", lambda row: int(row[1]["step"])),
        *map(_logged, _SHOWN),
    ]
    lines = [
        "A short run, made just now from the shipped few-step student: the same prompts, noise and exit steps in both "
        "arms, half of their recipe's batch, a handful of generator updates. It shows the training at work and proves "
        "nothing about its effect; the results above are of the shipped arms, which were trained longer.",
    ]
    return Section("A short run of both arms", lines, Table(columns, rows))


def _logged(name: str) -> Column[_Update]:
    return Column(name, lambda row: score_text(row[1][name], ".4f") if name in row[1] else "", True)


def run_training_demo(plan: DemoPlan, out: Path, updates: int) -> DemoResult:
    """Train both arms briefly, then evaluate the shipped arms; the page holds both."""
    return run_demo(plan, out, [training_section(train_briefly(out, updates))])
