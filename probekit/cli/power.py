"""`probekit power`."""

import re
from pathlib import Path
from typing import Annotated, Final

import typer

from probekit.cli.errors import reporting_errors
from probekit.cli.options import Seed, finite
from probekit.cli.terminal import say
from probekit.errors import UserError

MOST_JUDGED: Final = 20_000
"""Of one simulated study; 2,000 of them are drawn together."""
_DIGITS: Final = re.compile("[0-9]{1,9}")


def power(
    baseline: Annotated[Path, typer.Argument(help="Pilot run with scores.")],
    method: Annotated[Path, typer.Argument(help="Pilot run with scores.")],
    quantity: Annotated[str, typer.Option(help="Dimension, or quality, semantic, total.")] = "total",
    effect: Annotated[float | None, typer.Option(help="Supposed true difference in percent.", callback=finite)] = None,
    width: Annotated[
        float | None, typer.Option(help="Wanted width of the interval in percent.", callback=finite)
    ] = None,
    prompts: Annotated[str, typer.Option(help="Numbers of prompts to judge.")] = "25,50,100,200,400,946",
    seed: Seed = 0,
) -> None:
    """Say how many prompts and videos a difference would take, from two pilot runs."""
    with reporting_errors():
        from probekit.workflows.compare import open_scored_run
        from probekit.workflows.power import power_lines

        numbers = _numbers(prompts)
        opened = open_scored_run(baseline), open_scored_run(method)
        for line in power_lines(*opened, quantity=quantity, effect=effect, width=width, prompts=numbers, seed=seed):
            say(line)


def _numbers(listed: str) -> list[int]:
    """Numbers of prompts from a list with commas. Raises UserError for what is no positive number, or too large."""
    words = [word.strip() for word in listed.split(",")]
    wrong = next((word for word in words if not (_DIGITS.fullmatch(word) and 0 < int(word) <= MOST_JUDGED)), None)
    if wrong is not None:
        raise UserError(
            f"--prompts: {wrong[:40]!r} is no number of prompts.",
            f"Write numbers up to {MOST_JUDGED:,} with commas, as 50,100,200.",
        )
    return [int(word) for word in words]
