"""Texts and rows of tables in Markdown and LaTeX, and values of pages: what is written is what is shown."""

import re
from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from probekit.visible_text import visible

_LATEX_ESCAPES: Final = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"{\ttfamily\char34}", "`": r"\textasciigrave{}",
    "[": "{[}", "]": "{]}", "*": "{*}",  # after a line's end they would belong to the command
}  # fmt: skip
_LIGATURES: Final = re.compile(r"(?<=([-',]))(?=\1)")
_BEYOND_PDFLATEX: Final = re.compile("[^\x00-\u024f\u2010-\u203a\u20ac\u2212\u00b1\u00d7\u2264\u2265]")

_MARKDOWN: Final = re.compile(r"[\\|*_`<>~$#]|&(?=#?\w+;)")  # an ampersand alone means itself
_BRACKETS: Final = re.compile(r"[\[\]]")
_ADDRESS: Final = re.compile(r"(?i)\b(https?|ftp)(?=://)|\bwww(?=\.)")


def markdown_text(text: str) -> str:
    """A text whose characters mean themselves, on one line: no link, no picture, no formula."""
    shown = visible(text).replace("\n", " ")
    escaped = _MARKDOWN.sub(lambda found: f"\\{found[0]}", shown)
    if any(character.isalpha() for character in shown):  # intervals have brackets and no letters
        escaped = _BRACKETS.sub(lambda found: f"\\{found[0]}", escaped)
    return _ADDRESS.sub(lambda found: f"{found[0]}\\", escaped)


def page_value(value: object) -> object:
    """A value for a page, which a template then escapes: a text of a file is seen and does not act."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def markdown_line(cells: Sequence[str]) -> str:
    """One row of a table."""
    return f"| {' | '.join(cells)} |"


def latex_text(text: str) -> str:
    """A text whose characters mean themselves, on one line."""
    shown = visible(text).replace("\n", " ")
    escaped = "".join(_LATEX_ESCAPES.get(character, character) for character in shown)
    return _LIGATURES.sub("{}", escaped)


def latex_line(cells: Sequence[str]) -> str:
    """One row of a tabular."""
    return " & ".join(cells) + r" \\"


def latex_comment(text: str) -> str:
    """A line of comment, which nothing in the text can end."""
    return f"% {visible(' '.join(text.split()))}"


def needs_unicode_latex(text: str) -> bool:
    """Tell whether a text holds characters that pdflatex refuses."""
    return _BEYOND_PDFLATEX.search(text) is not None
