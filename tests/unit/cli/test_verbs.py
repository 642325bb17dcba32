"""A program lists its verbs without their modules, and loads the one that is called."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup
from typer.testing import CliRunner

from probekit.cli.main import VERBS
from probekit.cli.main import app as probekit_app
from probekit.cli.verbs import Verb, VerbGroup, group_of
from trainer.cli import VERBS as TRAINER_VERBS
from trainer.cli import app as trainer_app

MODULE = """
import typer

inner = typer.Typer(help="Verbs of its own.")

def greet(name: str, loud: bool = False) -> None:
    "Greet somebody."
    typer.echo(f"hello {name}{'!' if loud else ''}")

@inner.callback()
def describe() -> None:
    "A group."

@inner.command()
def leave() -> None:
    "Leave."
    typer.echo("bye")
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[typer.Typer]:
    (tmp_path / "verbs_under_test.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    verbs = (
        Verb("greet", "verbs_under_test:greet", "Greet somebody."),
        Verb("own", "verbs_under_test:inner", "Verbs of its own."),
        Verb("broken", "no_such_module_at_all:run", "What cannot load."),
    )
    app = typer.Typer(cls=group_of(verbs), no_args_is_help=True, add_completion=False)

    @app.callback()
    def configure() -> None:
        """Nothing to set up."""

    yield app
    sys.modules.pop("verbs_under_test", None)


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_the_list_shows_every_verb_and_loads_none(program: typer.Typer, arguments: list[str]) -> None:
    output = CliRunner().invoke(program, arguments).output
    assert all(text in output for text in ("greet", "Greet somebody.", "own", "broken", "What cannot load."))
    assert "verbs_under_test" not in sys.modules


def test_the_verb_that_is_called_has_its_options(program: typer.Typer) -> None:
    assert CliRunner().invoke(program, ["greet", "you", "--loud"]).output == "hello you!\n"
    assert "--loud" in CliRunner().invoke(program, ["greet", "--help"]).output
    assert CliRunner().invoke(program, ["greet", "you", "--quiet"]).exit_code == 2


def test_a_verb_may_have_verbs_of_its_own(program: typer.Typer) -> None:
    assert CliRunner().invoke(program, ["own", "leave"]).output == "bye\n"
    assert "own [OPTIONS] COMMAND" in CliRunner().invoke(program, ["own", "--help"]).output


def test_a_misspelt_verb_is_answered_with_the_nearest(program: typer.Typer) -> None:
    result = CliRunner().invoke(program, ["great"])
    assert result.exit_code == 2
    assert "Did you mean 'greet'?" in result.output


def test_a_module_that_cannot_load_ends_its_own_verb_alone(program: typer.Typer) -> None:
    assert isinstance(CliRunner().invoke(program, ["broken"]).exception, ModuleNotFoundError)
    assert CliRunner().invoke(program, ["greet", "you"]).exit_code == 0


def test_commands_read_off_a_program_are_the_loaded_ones(program: typer.Typer) -> None:
    group: Any = typer.main.get_command(program)
    assert isinstance(group, VerbGroup)
    assert sorted(group.commands) == ["broken", "greet", "own"]
    assert [parameter.name for parameter in group.commands["greet"].params] == ["name", "loud"]
    assert isinstance(group.commands["own"], TyperGroup)
    assert group.commands["greet"] is group.commands["greet"]


@pytest.mark.parametrize("verb", [*VERBS, *TRAINER_VERBS], ids=lambda verb: verb.place)
def test_the_list_says_what_the_verb_says_of_itself(verb: Verb) -> None:
    command = verb.load()
    assert (command.name, command.help) == (verb.name, verb.help)


def test_the_list_is_the_one_of_the_programs() -> None:
    for app, verbs in ((probekit_app, VERBS), (trainer_app, TRAINER_VERBS)):
        group: Any = typer.main.get_command(app)
        assert list(group.commands) == [verb.name for verb in verbs]
