"""The commands and their options are frozen: a new or changed one is a decision, whose line is in the diff."""

from typing import Annotated

import pytest
import typer

from probekit.choices import Rotary
from probekit.cli.main import app
from tests.architecture.commands import command_lines
from tests.helpers.places import REPOSITORY
from trainer.cli import app as trainer_app

FROZEN = REPOSITORY / "tests" / "golden" / "commands.txt"
RENEW = "renew it with `python -m tests.architecture.test_commands`, and say in CHANGELOG.md what changed"


def rendered() -> str:
    """What `tests/golden/commands.txt` holds."""
    lines = [*command_lines(app, "probekit"), *command_lines(trainer_app, "trainer")]
    return "\n".join(lines) + "\n"


def test_commands_and_options_are_the_frozen_ones() -> None:
    now, frozen = rendered().splitlines(), FROZEN.read_text(encoding="utf-8").splitlines()
    new = [line for line in now if line not in frozen]
    gone = [line for line in frozen if line not in now]
    assert now == frozen, f"Commands differ from {FROZEN.name}. New: {new}. Gone: {gone}. If that is meant, {RENEW}."


def one(
    place: str,
    rotary: Annotated[Rotary, typer.Option()] = "absolute",
    share: Annotated[float, typer.Option(min=0.1, max=1)] = 0.5,
    pair: Annotated[tuple[int, int] | None, typer.Option()] = None,
    fast: Annotated[bool, typer.Option("--fast/--slow")] = True,
    names: Annotated[list[str] | None, typer.Option("--name")] = None,
) -> None:
    """A command with parameters of every kind."""


def test_names_types_choices_bounds_and_defaults_are_in_the_lines() -> None:
    small = typer.Typer(add_completion=False)
    small.command()(one)
    assert command_lines(small, "small") == [
        "small",
        "    PLACE: str, required",
        "    --fast/--slow: bool = True",
        "    --name: str ...",
        "    --pair: int int",
        "    --rotary: absolute|re-indexed|sink-beside-window = absolute",
        "    --share: float 0.1..1 = 0.5",
    ]


@pytest.mark.parametrize("command", ["probekit sample", "probekit weights convert", "trainer train"])
def test_commands_of_both_programs_and_of_groups_are_frozen(command: str) -> None:
    assert command in rendered().splitlines()


if __name__ == "__main__":
    FROZEN.write_text(rendered(), encoding="utf-8")
