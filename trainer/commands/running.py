"""Says what a plan will do, and does it, command by command; what is done is passed over."""

import logging
import shlex
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from probekit.errors import UserError
from trainer.commands.rates import duration, total
from trainer.commands.steps import Plan, Step

LOGGER = logging.getLogger("trainer")

INTERRUPTED: Final = 130
"""Exit status of a command that was interrupted and goes on when it is called again."""

Call = Callable[[Sequence[str]], int]
"""Runs a command line and returns its exit status."""


def plan_lines(plan: Plan) -> Iterator[str]:
    """Every command with its state and time, and what remains, for a reader."""
    open_steps = []
    for step in plan.steps:
        if step.is_done():
            yield f"  done   {step.what}: {_typed(step)}"
            continue
        open_steps.append(step)
        yield f"  to do  {step.what}, {_time(step)}: {_typed(step)}"
    yield from (f"  yours  {ask}" for ask in plan.asks)
    seconds, unknown = total([step.estimate for step in open_steps])
    yield (
        f"{len(plan.steps) - len(open_steps)} of {len(plan.steps)} commands are done; the others take "
        f"{duration(seconds)} by measured rates{f', and {unknown} that nobody has timed' if unknown else ''}."
    )


def _typed(step: Step) -> str:
    return shlex.join(step.words)


def _time(step: Step) -> str:
    found = step.estimate
    return found.basis if found.seconds is None else f"{duration(found.seconds)} ({found.basis})"


def refuse_asks(plan: Plan) -> None:
    """Raise UserError if something has to be given first."""
    if plan.asks:
        raise UserError(f"Something is missing that no command makes: {plan.asks[0]}", "Put it there first.")


def run_plan(plan: Plan, call: Call, see: str = "above") -> bool:
    """Run the commands that are not done, in order.

    Args:
        plan: commands.
        call: function that runs a command line.
        see: place of what commands print, for a reader.

    Returns:
        False if a command was interrupted; the same call goes on from there.

    Raises:
        UserError: if something has to be given first, or a command fails or ends early.
    """
    refuse_asks(plan)
    for number, step in enumerate(plan.steps, 1):
        if step.is_done():
            continue
        LOGGER.info("%d of %d, %s: %s", number, len(plan.steps), step.what, _typed(step))
        status = call(step.words)
        if status == INTERRUPTED:
            return False
        if status:
            raise UserError(f"`{_typed(step)}` ended with {status}.", f"See {see}; what is done is kept.")
        if not step.is_done():  # a training that SIGTERM ends saves and ends without an error
            raise UserError(f"`{_typed(step)}` ended early.", "Run the same command; it goes on there.")
    return True
