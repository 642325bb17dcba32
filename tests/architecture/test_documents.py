"""What the documents say is there: every path, link, name, command, and every room with the line that it has."""

import importlib
import re
from pathlib import Path

import pytest

from probekit.run_folder.protocol_card import SCORING_FIELDS
from tests.helpers.documents import Page, anchors, documents, dotted_names, links, named_paths
from tests.helpers.places import REPOSITORY

PAGES = documents()
RECIPES = REPOSITORY / "trainer" / "recipes"
ROOTS = (
    REPOSITORY,
    *(REPOSITORY / name for name in ("probekit", "trainer", "tests", "docs")),
    RECIPES,
    RECIPES / "wan",
)
MADE = re.compile(
    r"(?:runs|demo|build|dist|exports|videos|scores|values|states|heads|samples|report|reports/gpu|OUT|DIR|RUN|FOLDER"
    r"|shared|wheels|training|checkpoints|export|tensorboard|features|figures|api|scripts|~|\.venv)(?:/.*)?|.*[*<>{}].*"
)
"""Places that commands make, or that lie beside the repository or in another project's."""

by_name = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def there(path: str, page: Page) -> bool:
    """Paths are relative to the page, to the repository, or to a package where the page says so."""
    return any((root / path).exists() for root in (page.folder, *ROOTS))


@by_name
def test_every_path_that_a_page_names_exists(page: Page) -> None:
    paths = [path for path in named_paths(page.text) if not MADE.fullmatch(path)]
    assert [path for path in paths if not there(path, page)] == []


@by_name
def test_every_link_of_a_page_leads_somewhere(page: Page) -> None:
    broken = []
    for link in links(page.text):
        path, _, anchor = link.partition("#")
        target = page.folder / path if path else REPOSITORY / page.name
        if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            broken.append(link)
    assert broken == []


@by_name
def test_every_name_of_the_code_that_a_page_uses_exists(page: Page) -> None:
    assert [name for name in dotted_names(page.text) if not resolves(name)] == []


def resolves(name: str) -> bool:
    """Whether a dotted name is a module, or something in one, or a file below the checkout."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            value = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            if not hasattr(value, part):
                return False
            value = getattr(value, part)
        return True
    return False


def test_the_search_finds_some_of_each() -> None:
    pages = {page.name: page.text for page in PAGES}
    assert len(named_paths(pages["docs/extending.md"])) > 40
    assert "trainer/launch.py" in named_paths(pages["docs/extending.md"])
    assert len(links(pages["README.md"])) > 20
    assert "probekit.sprite_world.posterior" in dotted_names(pages["docs/probing.md"])
    assert "notebooks/significance.py" in pages
    assert not resolves("probekit.no_such_module")
    assert not resolves("trainer.launch.no_such_name")
    page = Page("docs/x.md", "[a](nowhere.md) and `probekit/nowhere.py`")
    assert [there(path, page) for path in (*links(page.text), *named_paths(page.text))] == [False, False]


def test_the_page_on_protocols_lists_the_fields_that_must_agree() -> None:
    text = (REPOSITORY / "docs" / "protocol.md").read_text(encoding="utf-8")
    rows = "".join(line.split("|")[1] for line in text.splitlines() if line.startswith("| `"))
    assert {name for name in re.findall(r"`([\w.]+)`", rows) if name in SCORING_FIELDS} == set(SCORING_FIELDS)


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
