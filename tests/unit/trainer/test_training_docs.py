"""Every command of docs/training.md exists with its options, and every recipe that it names is there."""

import re
import shlex

import pytest
import typer
from typer.main import get_command

from tests.helpers.places import REPOSITORY
from trainer.cli import app
from trainer.config.recipe import load_recipe

ROOT = REPOSITORY
TEXT = (ROOT / "docs" / "training.md").read_text()
COMMANDS = [
    line
    for block in re.findall(r"```\n(.*?)```", TEXT, flags=re.DOTALL)
    for line in block.splitlines()
    if "trainer " in line
]


def arguments_of(line: str) -> list[str]:
    words = shlex.split(line)
    return words[words.index("trainer") + 1 :]


@pytest.mark.parametrize("line", COMMANDS)
def test_each_command_parses(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    name, *arguments = arguments_of(line)
    group = get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    command = group.commands[name]
    with command.make_context(name, arguments) as context:
        recipe = context.params.get("recipe")
        if recipe is not None:
            load_recipe(recipe, context.params.get("overrides") or [])


def test_every_command_of_the_trainer_but_the_makers_of_the_sprite_world_is_shown() -> None:
    group = get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    shown = {arguments_of(line)[0] for line in COMMANDS}
    assert group.commands.keys() - shown == {"demo", "card", "fit-parts"}


def test_options_and_files_in_the_text_exist() -> None:
    fields = re.findall(r"`(?:scale|watch|foresight)\.(\w+)`", TEXT)
    assert "gradient_accumulation" in fields
    for path in re.findall(r"`((?:trainer|tests|docs)/[\w/.]+)`", TEXT):
        assert (ROOT / path).exists(), path
