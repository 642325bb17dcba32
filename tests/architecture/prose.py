"""The words of the project: sentences of its pages, texts of its modules, descriptions of arguments."""

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

from tests.architecture.source_tree import Module, nodes
from tests.helpers.places import REPOSITORY

_NOT_PROSE = re.compile(r"```.*?```|^(?:    .*?|\|.*?|#.*?|!\[.*?)$", re.DOTALL | re.MULTILINE)
_PARAGRAPH = re.compile(r"\n\s*\n|\n(?=- |\d+\. )")
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z*`\"(])")
_WORD = re.compile(r"[\w%€·/×+\-=.]*\w[\w%]*")
_SECTION = re.compile(r"^\s*(?:Args|Attributes):\s*$")
_ITEM = re.compile(r"^\s+([`*\w, ]+?)(?: \([^)]*\))?: (.*)$")


class Described(NamedTuple):
    """An argument or attribute with its description's first line."""

    place: str
    name: str
    text: str


def pages() -> dict[str, str]:
    """The pages that users read, by name."""
    paths = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
    return {path.name: path.read_text(encoding="utf-8") for path in paths}


def sentences(text: str) -> Iterator[str]:
    """Sentences of a Markdown page, without code, tables and headings; code in a line counts as one word."""
    for paragraph in _PARAGRAPH.split(_NOT_PROSE.sub("", text)):
        line = re.sub(r"^(- |\d+\. )", "", " ".join(paragraph.split()))
        line = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", re.sub(r"`[^`]*`", "Code", line)).replace("e.g.", "eg")
        yield from _SENTENCE.split(line)


def words(sentence: str) -> int:
    """Number of words."""
    return len(_WORD.findall(sentence))


def descriptions(module: Module) -> Iterator[Described]:
    """What docstrings say of arguments and attributes."""
    for node in nodes(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for name, text in described(ast.get_docstring(node) or ""):
                yield Described(module.where(node), name, text)


def described(docstring: str) -> Iterator[tuple[str, str]]:
    """Names and first lines of a docstring's `Args` and `Attributes`."""
    section, level = None, None
    for line in docstring.splitlines():
        indent = len(line) - len(line.lstrip())
        if _SECTION.match(line):
            section, level = indent, None
        elif section is not None and line.strip():
            level = indent if level is None else level
            if indent <= section:
                section = None
            elif indent == level and (item := _ITEM.match(line)):
                yield item.group(1), item.group(2)
