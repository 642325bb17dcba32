"""Tables compile: a real LaTeX run over stored tables and over every character that a cell may have."""

import shutil
import subprocess
from pathlib import Path

import pytest

from probekit.reporting.comparison_io import read_comparison
from probekit.reporting.comparison_tables import comparison_table
from probekit.reporting.markup import needs_unicode_latex
from probekit.reporting.table import Column, Table
from tests.helpers.places import REPOSITORY

REPORTS = REPOSITORY / "reports" / "sprite"
PAGE = r"""\documentclass{article}
\usepackage{booktabs,graphicx}
\begin{document}
%s
\end{document}
"""
TRICKY = [
    "50 % & more", "a_b^c", "$x$ #1 {y} ~z \\command", "<0.5 |x| > 1", '"quotes" `and` \'such\'', "n/a", "é ü × ±",
    "-0.5 [\u22121, +2] *", "a \u2264 b \u2265 c \u2212 d",
]  # fmt: skip
NUMBERS = [
    "+1.00*",
    "[-0.10, +0.20]",
    "97 %",
    "\u22120.5",
    "\u2264 0.01",
    "5 : 6",
    "1.0 ± 0.2",
    "3 × 4",
    "~1 & #2_{^}\\$",
]

latex = pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="needs pdflatex (Debian: texlive-latex-recommended)"
)


def compiled(table: str, folder: Path) -> Path:
    """The PDF of a page that holds the table, scaled to its width."""
    (folder / "page.tex").write_text(PAGE % rf"\resizebox{{\textwidth}}{{!}}{{{table}}}", encoding="utf-8")
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "page.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    return folder / "page.pdf"


@latex
@pytest.mark.parametrize("name", ["5s/comparison.tex", "foresight/table/comparison.tex", "table08/table08.tex"])
def test_a_stored_table_compiles(name: str, tmp_path: Path) -> None:
    assert compiled((REPORTS / name).read_text(encoding="utf-8"), tmp_path).stat().st_size > 5000


@latex
def test_a_table_made_now_compiles_with_a_banner_and_bold_rows(tmp_path: Path) -> None:
    record = read_comparison(REPORTS / "5s")
    table = comparison_table(record)
    assert compiled(
        Table(table.columns, table.rows, table.notes, "A banner: 100 % & _more_").latex(), tmp_path
    ).is_file()


@latex
def test_every_character_of_a_cell_compiles(tmp_path: Path) -> None:
    rows = [*TRICKY, *NUMBERS]
    columns = [Column[str]("text & 1_2", lambda text: text), Column[str]("number", lambda text: text, True)]
    text = Table(columns, rows, ["A note with % and _."]).latex()
    assert "lualatex" not in text
    assert compiled(text, tmp_path).stat().st_size > 5000


@latex
def test_characters_that_are_said_to_compile_do(tmp_path: Path) -> None:
    """Each letter of the alphabets of Europe, and of the punctuation behind them, that the rule lets pass."""
    passed = [
        chr(code) for code in range(0xA0, 0x2266) if not needs_unicode_latex(chr(code)) and chr(code).isprintable()
    ]
    assert len(passed) > 200
    text = Table([Column[str]("character", lambda one: f"x{one}")], passed, []).latex()
    assert compiled(rf"\begin{{minipage}}{{99cm}}{text}\end{{minipage}}", tmp_path).is_file()
