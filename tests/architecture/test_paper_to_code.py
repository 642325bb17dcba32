"""The page from the paper to the code names what is there, in the files that it links, and leaves nothing out."""

import importlib
import inspect
import re
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from tests.helpers.places import REPOSITORY
from trainer.reproduction.targets import TARGETS

PAGE = (REPOSITORY / "docs" / "paper_to_code.md").read_text(encoding="utf-8")


class Named(NamedTuple):
    name: str
    file: str


NAMES = [Named(*found) for found in re.findall(r"\[`((?:probekit|trainer)\.[\w.]+)`\]\(\.\./([\w/.]+)\)", PAGE)]


class Found(NamedTuple):
    module: ModuleType
    value: Any


def resolved(name: str) -> Found:
    """The longest module of a dotted name, and what its rest names there."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            module = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        value: Any = module
        for part in parts[length:]:
            value = getattr(value, part)
        return Found(module, value)
    raise ModuleNotFoundError(name)


@pytest.mark.parametrize("named", dict.fromkeys(NAMES), ids=lambda named: named.name)
def test_a_name_is_in_the_file_that_its_link_gives(named: Named) -> None:
    found = resolved(named.name)
    assert found.module.__file__ is not None
    assert Path(found.module.__file__) == REPOSITORY / named.file
    assert not isinstance(found.value, ModuleType)
    assert vars(found.module).get(named.name.removeprefix(f"{found.module.__name__}.").split(".")[0]) is not None
    if inspect.isclass(found.value) or inspect.isroutine(found.value):  # and is not only imported there
        assert found.value.__module__ == found.module.__name__


def test_names_that_are_not_there_would_be_found() -> None:
    with pytest.raises(AttributeError):
        resolved("trainer.objectives.dmd.no_loss")
    with pytest.raises(ModuleNotFoundError):
        resolved("trainers.objectives")


def test_every_dotted_name_of_the_page_is_linked() -> None:
    assert len(NAMES) > 80
    assert set(re.findall(r"(?:probekit|trainer)\.[\w.]+\w", PAGE)) == {named.name for named in NAMES}


def first_cells(heading: str) -> str:
    """The first cells of the rows of a section's table, joined."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return "; ".join(line.split("|")[1].strip() for line in section.splitlines() if line.startswith("| "))


def test_every_equation_table_and_figure_is_there() -> None:
    assert all(f"equation {number}" in first_cells("Equations") for number in range(1, 6))
    tables = {int(number) for number in re.findall(r"\b\d+\b", first_cells("Tables"))}
    assert tables == set(range(1, 16))
    figures = {int(number) for number in re.findall(r"\b\d+\b", first_cells("Figures"))}
    assert figures == {1, 2, 5, 6, 7, 10}
    named = set(re.findall(r"`(table\d\d|figure\d\d|appendixF|cost)`", PAGE))
    assert named | {"cost"} == TARGETS.keys()
