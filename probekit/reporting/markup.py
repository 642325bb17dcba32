"""Texts and rows of tables in Markdown and LaTeX."""

from collections.abc import Sequence

_LATEX_ESCAPES = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip


def markdown_text(text: str) -> str:
    """A text whose characters mean themselves, on one line."""
    escaped = "".join(f"\\{character}" if character in "\\|*_`<>" else character for character in text)
    return escaped.replace("\n", " ")


def markdown_line(cells: Sequence[str]) -> str:
    """One row of a table."""
    return f"| {' | '.join(cells)} |"


def latex_text(text: str) -> str:
    """A text whose characters mean themselves, on one line."""
    return "".join(_LATEX_ESCAPES.get(character, character) for character in text).replace("\n", " ")


def latex_line(cells: Sequence[str]) -> str:
    """One row of a tabular."""
    return " & ".join(cells) + r" \\"
