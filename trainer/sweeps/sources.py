"""What the rows of a sweep start from is made before them, by its own recipes, where these recipes look for it."""

import logging
from collections.abc import Sequence
from threading import Lock
from typing import Final

from probekit.errors import UserError
from trainer.commands.chain import Chain, ChainSettings
from trainer.commands.running import run_plan
from trainer.commands.steps import Plan
from trainer.sweeps.logged_commands import logged_call
from trainer.sweeps.open_sweep import OpenSweep, RowRun

LOGGER = logging.getLogger("trainer")

LOG: Final = "sources.log"
_ONE_AT_A_TIME: Final = Lock()
"""Rows that are trained side by side share sources."""


def sources_of(sweep: OpenSweep, runs: Sequence[RowRun], processes: int = 1) -> Plan:
    """Commands that make what training runs start from, in order; those that are done are among them.

    Sources have the size that their own recipes say, whatever is changed in the rows.
    """
    chain = Chain(ChainSettings(sweep.scale, processes=processes))
    for run in runs:
        chain.add_sources(sweep.trainings(run))
    return Plan(tuple(chain.steps), tuple(chain.asks))


def make_sources(sweep: OpenSweep, run: RowRun, processes: int = 1) -> None:
    """Make what a run starts from, as far as it is not there.

    Raises:
        UserError: if something has to be given first, or a command fails or is ended early, naming its log.
    """
    with _ONE_AT_A_TIME:
        plan = sources_of(sweep, (run,), processes)
        log = sweep.out / LOG
        if any(not step.is_done() for step in plan.steps):
            LOGGER.info("%s: making what it starts from, log in %s", run.label, log)
            with log.open("ab") as file:
                if not run_plan(plan, logged_call(file), see=str(log)):
                    raise UserError("Making what a row starts from was interrupted.", "Run the same command again.")
