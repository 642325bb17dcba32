"""What the documents say of the tree is there: every path, and every room with the line that it has in the tree."""

import re
from pathlib import Path

import pytest

from tests.helpers.places import REPOSITORY

PATH = re.compile(r"`((?:[\w.]+/)*[\w.]+/|(?:[\w.]+/)+[\w.]+\.\w+)`")
PAGES = ("docs/architecture.md", "docs/extending.md", "docs/glossary.md", "docs/release.md", "CONTRIBUTING.md")
ELSEWHERE = {"shared/"}  # beside the repository


def named_paths(page: str) -> list[str]:
    return PATH.findall((REPOSITORY / page).read_text(encoding="utf-8"))


def there(path: str) -> bool:
    """Paths are relative to the repository, or to probekit where the page says so."""
    return any((root / path).exists() for root in (REPOSITORY, REPOSITORY / "probekit", REPOSITORY / "tests"))


@pytest.mark.parametrize("page", PAGES)
def test_every_path_that_a_page_names_exists(page: str) -> None:
    assert [path for path in named_paths(page) if not there(path) and path not in ELSEWHERE] == []


def test_the_search_for_paths_finds_some() -> None:
    assert len(named_paths("docs/extending.md")) > 40
    assert "trainer/launch.py" in named_paths("docs/extending.md")


def rooms() -> set[str]:
    folders = [REPOSITORY / "probekit", REPOSITORY / "probekit" / "evaluation", REPOSITORY / "trainer"]
    found = {path.parent for folder in folders for path in folder.glob("*/__init__.py")}
    return {path.name for path in found}


def test_the_tree_of_the_architecture_page_has_every_room() -> None:
    """A new room needs a line there."""
    (tree,) = re.findall(r"```\n(probekit/.*?)```", (REPOSITORY / "docs/architecture.md").read_text(), flags=re.DOTALL)
    listed = {Path(name).name for line in tree.splitlines() for name in re.findall(r"^ *([\w/]+)/(?: |$)", line)}
    assert rooms() - listed == set()
    assert listed - rooms() <= {"probekit", "trainer", "tests", "recipes"}
