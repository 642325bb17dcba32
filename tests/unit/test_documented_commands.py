"""The commands of the README and of the pages on scaling and on other systems are ones that the command line takes."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from torch.distributed.run import get_args_parser
from typer.core import TyperGroup

from probekit.cli.main import app
from probekit.cli.options import parse_shard
from probekit.models.model_folder import SHIPPED_MODELS
from tests.helpers.places import REPOSITORY
from trainer.cli import app as trainer_app

PAGES = ("scaling.md", "other_systems.md")
SLURM = {"${SLURM_ARRAY_TASK_ID}": "3", "${SLURM_ARRAY_TASK_COUNT}": "8"}


def commands(page: str) -> list[str]:
    text = (REPOSITORY / "docs" / page).read_text(encoding="utf-8")
    lines = re.findall(r"^    ((?:probekit|torchrun) .*)$", text, re.MULTILINE)
    return [filled(line) for line in lines]


def filled(line: str) -> str:
    for name, value in SLURM.items():
        line = line.replace(name, value)
    return line


@pytest.mark.parametrize("line", [line for page in PAGES for line in commands(page)])
def test_the_command_parses(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = shlex.split(line)
    if words[0] == "torchrun":
        arguments = get_args_parser().parse_args(words[1:])
        assert arguments.no_python
        words = [arguments.training_script, *arguments.training_script_args]
    assert words[0] == "probekit"
    options = parse(words)
    assert "$" not in line
    if str(options.get("model")).startswith("sprite-"):
        assert (SHIPPED_MODELS / options["model"]).is_dir()
    assert options.get("shard") is None or parse_shard(options["shard"]) is not None


OF_OTHERS = {"make", "pip", "uv"}


def readme_commands() -> list[list[str]]:
    blocks = re.findall(
        r"^```sh\n(.*?)^```", (REPOSITORY / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    lines = [part for block in blocks for line in block.splitlines() for part in line.split("&&")]
    return [words for line in lines if (words := shlex.split(line, comments=True)) and words[0] not in OF_OTHERS]


@pytest.mark.parametrize("words", readme_commands(), ids=" ".join)
def test_a_command_of_the_readme_parses(words: list[str]) -> None:
    if words[0] == "torchrun":
        arguments = get_args_parser().parse_args(words[1:])
        assert arguments.module
        words = [arguments.training_script, *arguments.training_script_args]
    options = parse(words)
    model, recipe = options.get("model"), str(options.get("recipe"))
    assert model is None or not model.startswith("sprite-") or (SHIPPED_MODELS / model).is_dir()
    assert not recipe.endswith(".yaml") or (REPOSITORY / recipe).is_file()


def parse(words: list[str]) -> dict[str, Any]:
    """The values of a command's options, parsed as the command line does; nothing runs."""
    command: Any = typer.main.get_command({"probekit": app, "trainer": trainer_app}[words[0]])
    name, *rest = words
    while isinstance(command, TyperGroup):
        name, *rest = rest
        command = command.commands[name]
    values: dict[str, Any] = command.make_context(name, rest).params
    return values


def test_a_misspelt_option_would_be_seen() -> None:
    assert parse(["probekit", "score", "RUN", "--workers", "2"])["workers"] == 2
    with pytest.raises(Exception, match="No such option: --worker"):
        parse(["probekit", "score", "RUN", "--worker", "2"])


def test_every_page_has_commands() -> None:
    assert {page: len(commands(page)) >= 5 for page in PAGES} == dict.fromkeys(PAGES, True)
    assert (Path(REPOSITORY) / "docs" / "suites.md").is_file()
    assert len(readme_commands()) >= 25
