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
    "\u2212": r"\ensuremath{-}", "\u2264": r"\ensuremath{\leq}", "\u2265": r"\ensuremath{\geq}",
}  # fmt: skip
_LATEX_MATHEMATICS: Final = {
    "*": "^{*}", "%": r"\%", "&": r"\&", "#": r"\#", "_": r"\_", "$": r"\$", "{": r"\{", "}": r"\}", "~": r"\sim",
    "\\": r"\backslash{}", "^": r"\hat{}", "\u2212": "-", "\u2264": r"\leq", "\u2265": r"\geq", "\u00b1": r"\pm",
    "\u00d7": r"\times",
}  # fmt: skip
_LIGATURES: Final = re.compile(r"(?<=([-',]))(?=\1)")
_PDFLATEX: Final = (
    "\u00a0-\u00aa\u00ac-\u00ba\u00bc-\u00cf\u00d1-\u00dd\u00df-\u00ef\u00f1-\u00fd\u00ff-\u0103\u0106-\u010f\u0112-\u0117\u011a-\u0125"
    "\u0128-\u012d\u0130-\u0137\u0139-\u013e\u0141-\u0148\u014c-\u0165\u0168-\u0171\u0174-\u017e\u0192\u01c4-\u01d4\u01e2\u01e3"
    "\u01e6-\u01e9\u01f0\u01f4\u01f5\u0218-\u021b\u0232\u0233\u0237\u2010-\u2016\u2018\u2019\u201c\u201d\u2020-\u2022\u2026\u2030\u2031"
    "\u20ac\u2212\u2264\u2265"
)
"""Characters beyond ASCII that pdflatex sets without a package, found by a run over all of them, or that we spell."""
_BEYOND_PDFLATEX: Final = re.compile(f"[^\x00-\x7f{_PDFLATEX}]")

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


def latex_number(text: str) -> str:
    """A text without letters as mathematics: hyphens are minus signs, and the star is no operator."""
    return f"${''.join(_LATEX_MATHEMATICS.get(character, character) for character in text)}$"


def latex_line(cells: Sequence[str]) -> str:
    """One row of a tabular."""
    return " & ".join(cells) + r" \\"


def latex_comment(text: str) -> str:
    """A line of comment, which nothing in the text can end."""
    return f"% {visible(' '.join(text.split()))}"


def needs_unicode_latex(text: str) -> bool:
    """Tell whether a text holds characters that pdflatex refuses."""
    return _BEYOND_PDFLATEX.search(text) is not None
