"""The commands of every page are ones that the programs take: all their options, and files and models that exist."""

import re
import shlex
from typing import Any

import pytest
import typer
from torch.distributed.run import get_args_parser
from typer.core import TyperGroup

from probekit.cli.main import app
from probekit.cli.options import parse_shard
from probekit.models.model_folder import SHIPPED_MODELS
from probekit.rollout.world_sampler import WORLD_MODEL
from tests.helpers.documents import PROGRAMS, documents, mentioned_commands, written_commands
from tests.helpers.places import REPOSITORY
from trainer.cli import app as trainer_app
from trainer.config.places import recipe_file

SLURM = {"${SLURM_ARRAY_TASK_ID}": "3", "${SLURM_ARRAY_TASK_COUNT}": "8"}
OURS = {"probekit": app, "trainer": trainer_app}
LEFT_OPEN = {"...", "…"}
WRITTEN = [(page.name, tuple(words)) for page in documents() for words in written_commands(page.text)]
MENTIONED = [(page.name, tuple(words)) for page in documents() for words in mentioned_commands(page.text)]
TARGETS = set(re.findall(r"^([\w-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))


def named(value: object) -> str:
    return " ".join(value) if isinstance(value, tuple) else str(value)


@pytest.mark.parametrize(("page", "words"), dict.fromkeys(WRITTEN), ids=named)
def test_a_command_that_stands_alone_can_be_typed(page: str, words: tuple[str, ...]) -> None:
    check([filled(word) for word in words], whole=LEFT_OPEN.isdisjoint(words))


@pytest.mark.parametrize(("page", "words"), dict.fromkeys(MENTIONED), ids=named)
def test_a_command_within_a_sentence_exists_with_its_options(page: str, words: tuple[str, ...]) -> None:
    check([filled(word) for word in words], whole=False)


def filled(word: str) -> str:
    for name, value in SLURM.items():
        word = word.replace(name, value)
    return word


def check(words: list[str], *, whole: bool) -> None:
    """Parse a command of ours, or look whether a command of another program is about something that is there."""
    assert "$" not in "".join(words)
    program, *rest = words
    if program == "time":
        check(rest, whole=whole)
    elif program == "torchrun" and rest:
        arguments = get_args_parser().parse_args(rest)
        assert arguments.no_python or arguments.module
        check([arguments.training_script, *arguments.training_script_args], whole=whole)
    elif program == "make":
        assert {word for word in rest if "=" not in word} <= TARGETS
    elif program == "python":
        assert_module(rest)
    elif program in ("pytest", "bash"):
        files = [word for word in rest if "/" in word]
        assert all((REPOSITORY / file.partition("::")[0]).exists() for file in files)
    elif program == "torchrun":
        assert not whole
    elif whole:
        check_values(parse(words))
    else:
        assert_options(words)


def assert_module(arguments: list[str]) -> None:
    """`python -m NAME`: a module of this checkout, or one that is installed for it."""
    if arguments[:1] == ["-m"] and arguments[1].split(".")[0] in ("benchmarks", "tests", "probekit", "trainer"):
        place = REPOSITORY / arguments[1].replace(".", "/")
        assert place.is_dir() or place.with_suffix(".py").is_file()


def check_values(options: dict[str, Any]) -> None:
    """Shipped models and recipes that a command names are there."""
    model, recipe = str(options.get("model")), options.get("recipe")
    assert not model.startswith("sprite-") or model == WORLD_MODEL or (SHIPPED_MODELS / model).is_dir()
    if recipe is not None and str(recipe) != "RECIPE" and not str(recipe).startswith("runs/"):
        assert (REPOSITORY / recipe).is_file() or recipe_file(recipe).is_file()
    assert options.get("shard") is None or parse_shard(options["shard"]) is not None


def command_of(words: list[str]) -> tuple[Any, list[str]]:
    """The command that the first words name, and the words behind them."""
    command: Any = typer.main.get_command(OURS[words[0]])
    rest = words[1:]
    while isinstance(command, TyperGroup) and rest and not rest[0].startswith("-"):
        command = command.commands[rest[0]]
        rest = rest[1:]
    return command, rest


def parse(words: list[str]) -> dict[str, Any]:
    """The values of a command's options, parsed as the command line does; nothing runs."""
    command, rest = command_of(words)
    if isinstance(command, TyperGroup):
        assert set(rest) <= {"--help"}
        return {}
    values: dict[str, Any] = command.make_context(words[-1], rest).params
    return values


def assert_options(words: list[str]) -> None:
    """Whether the options that are given are the command's."""
    command, rest = command_of(words)
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    used = {word.partition("=")[0] for word in rest if word.startswith("--")}
    assert used - known - {"--help"} == set()


def test_misspelt_commands_would_be_seen() -> None:
    assert parse(["probekit", "score", "RUN", "--workers", "2"])["workers"] == 2
    with pytest.raises(Exception, match="No such option: --worker"):
        parse(["probekit", "score", "RUN", "--worker", "2"])
    for words in ("probekit scores", "probekit score --worker", "make nothing", "python -m benchmarks.nothing"):
        with pytest.raises((AssertionError, KeyError)):
            check(shlex.split(words), whole=False)
    with pytest.raises(AssertionError):
        check(shlex.split("pytest tests/unit/test_nothing.py"), whole=True)


def test_the_search_finds_commands_of_every_kind() -> None:
    pages = {page: 0 for page, _ in WRITTEN}
    for page, _ in WRITTEN:
        pages[page] += 1
    assert pages["README.md"] >= 25
    assert all(
        pages[f"docs/{name}.md"] >= 4 for name in ("scaling", "other_systems", "training", "tutorial", "probing")
    )
    assert {words[0] for _, words in (*WRITTEN, *MENTIONED)} == set(PROGRAMS)
