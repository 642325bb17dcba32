"""The README has what a visitor looks for, and its table of commands is whole."""

import re

import typer
from typer.core import TyperGroup

from probekit.cli.main import app
from tests.helpers.places import REPOSITORY
from trainer.cli import app as trainer_app

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def section(heading: str) -> str:
    return README.partition(f"## {heading}\n")[2].partition("\n## ")[0]


def test_every_command_has_its_place_in_the_table() -> None:
    listed = re.findall(r"`((?:probekit|trainer) [\w-]+)`", section("Commands, by what you want"))
    assert len(listed) == len(set(listed))
    groups = {"probekit": typer.main.get_command(app), "trainer": typer.main.get_command(trainer_app)}
    verbs = set()
    for program, group in groups.items():
        assert isinstance(group, TyperGroup)
        verbs |= {f"{program} {name}" for name in group.commands}
    assert set(listed) == verbs


def test_what_a_visitor_looks_for_is_there() -> None:
    assert re.findall(r"^make (?:demo|test) ", README, re.MULTILINE) == ["make demo ", "make test "]
    assert re.search(r"!\[[^\]]+\]\(docs/report\.png\)", README)
    assert section("At Wan's size")
    assert section("Limits")


def test_a_time_says_what_it_was_measured_on() -> None:
    """Minutes, seconds and hours of work stand in a paragraph that names cores or a GPU."""
    prose = re.sub(r"```.*?```", "", README, flags=re.DOTALL)
    timed = [part for part in prose.split("\n\n") if re.search(r"\btakes? \d+ (?:minutes|hours|seconds|s)\b", part)]
    assert timed
    assert [part for part in timed if not re.search(r"\bcores?\b|\bGPU\b", part)] == []
