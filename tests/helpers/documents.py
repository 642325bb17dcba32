"""What the pages of the project say: commands, links, paths, names; found the same way for every test."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.helpers.places import REPOSITORY

_FENCED = re.compile(r"^```([^\n`]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"^    (?! )(.*)$", re.MULTILINE)
_INLINE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
_LINK = re.compile(r"\[[^\]]*\]\(<?([^)\s>]+)>?\)")
_PATH = re.compile(r"(?:[\w.*-]+/)*[\w.*-]+/|(?:[\w.*-]+/)+[\w.*-]+\.\w+")
_NAME = re.compile(r"(?:probekit|trainer)(?:\.\w+)+")
PROGRAMS = ("probekit", "trainer", "torchrun", "python", "pytest", "bash", "make", "time")


class Page(NamedTuple):
    """A page of the project.

    Attributes:
        name: path below the repository.
        text: its Markdown; of a notebook the script that it is paired with.
    """

    name: str
    text: str

    @property
    def folder(self) -> Path:
        """Folder that its links start from."""
        return (REPOSITORY / self.name).parent


def documents() -> list[Page]:
    """Every page that readers are sent to: README, docs, reports, notebooks."""
    patterns = ("README.md", "CONTRIBUTING.md", "docs/*.md", "reports/**/README.md", "reports/benchmarks/*.md")
    paths = [path for pattern in patterns for path in sorted(REPOSITORY.glob(pattern))]
    pages = [Page(path.relative_to(REPOSITORY).as_posix(), path.read_text(encoding="utf-8")) for path in paths]
    for path in sorted((REPOSITORY / "notebooks").glob("*.py")):
        text = re.sub(r"^# ?", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        pages.append(Page(path.relative_to(REPOSITORY).as_posix(), text))
    return pages


def shell_commands(text: str) -> list[list[str]]:
    """The words of every command in the page's `sh` blocks, in their order."""
    blocks = [block for language, block in _FENCED.findall(text) if language == "sh"]
    return [words for block in blocks for line in _lines(block) for words in _commands(line)]


def written_commands(text: str) -> list[list[str]]:
    """The words of every command that stands on a line of its own: in `sh` and plain blocks, and indented."""
    blocks = [block for language, block in _FENCED.findall(text) if language in ("", "sh")]
    lines = [line for block in blocks for line in _lines(block)] + _INDENTED.findall(_FENCED.sub("", text))
    return [words for line in lines for words in _commands(line) if words[0] in PROGRAMS]


def mentioned_commands(text: str) -> list[list[str]]:
    """The words of every command within a sentence or a table, which may lack its arguments."""
    spans = (" ".join(span.split()) for span in _INLINE.findall(_FENCED.sub("", text)))
    return [words for span in spans if span.split(" ")[0] in PROGRAMS for words in _commands(span)]


def links(text: str) -> list[str]:
    """Targets of links and pictures within the project, with their anchors."""
    found = _LINK.findall(_INLINE.sub("", _FENCED.sub("", text))) + _LINK.findall(_FENCED.sub("", text))
    return [target for target in dict.fromkeys(found) if "://" not in target]


def named_paths(text: str) -> list[str]:
    """Folders (with a slash at the end) and files (with a slash in them) that stand as code within sentences."""
    return [span for span in dict.fromkeys(_INLINE.findall(_FENCED.sub("", text))) if _PATH.fullmatch(span)]


def dotted_names(text: str) -> list[str]:
    """Names of modules, functions and classes that stand as code within sentences."""
    return [span for span in dict.fromkeys(_INLINE.findall(_FENCED.sub("", text))) if _NAME.fullmatch(span)]


def anchors(text: str) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", _FENCED.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _lines(block: str) -> list[str]:
    return re.sub(r"\\\n\s*", "", block).splitlines()


def _commands(line: str) -> Iterator[list[str]]:
    """The commands of a line that `&&` joins; settings of the environment in front are left out."""
    for part in line.split("&&"):
        try:
            words = shlex.split(part, comments=True)
        except ValueError:  # a sentence with an apostrophe
            continue
        while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
            words = words[1:]
        if words:
            yield words
