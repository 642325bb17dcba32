"""One table in every form: CSV for programs; Markdown, LaTeX, the terminal and a page for readers."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from numbers import Integral
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from probekit.atomic_files import write_text
from probekit.reporting.cells import NO_VALUE, score_text
from probekit.reporting.markup import (
    latex_comment,
    latex_line,
    latex_number,
    latex_text,
    markdown_line,
    markdown_text,
    needs_unicode_latex,
)
from probekit.visible_text import spreadsheet_text, visible

if TYPE_CHECKING:
    import rich.table

R = TypeVar("R")
Cell = str | int | float | None


class Strong(str):
    """A text that stands out among the cells of its table."""

    __slots__ = ()


class Column(NamedTuple, Generic[R]):
    """One column of a table whose rows are of type R.

    Attributes:
        heading: text at its head.
        cell: value of a row; readers see a number with four significant digits, and `n/a` in place of None.
        numeric: whether its cells stand to the right, and in LaTeX as mathematics.
    """

    heading: str
    cell: Callable[[R], Cell]
    numeric: bool = False


def fields(names: Iterable[str]) -> list[Column[Any]]:
    """Columns of rows that are tuples, one column per field in the order of the names."""
    return [Column(name, itemgetter(index)) for index, name in enumerate(names)]


@dataclass(frozen=True)
class Table(Generic[R]):
    """Rows under columns, with what a reader must know below them.

    Attributes:
        columns: columns for readers.
        rows: rows in the order of every form.
        notes: lines below the table.
        banner: line above it that cannot be overlooked; None where there is none.
        data: columns of the CSV; none means those for readers.
        digits: format of the CSV's floats, e.g. `.6f`; empty writes all digits.
        bold: whether a row stands out.
        group: name of a row's group; LaTeX draws a rule where it changes.
    """

    columns: Sequence[Column[R]]
    rows: Sequence[R]
    notes: Sequence[str] = ()
    banner: str | None = None
    data: Sequence[Column[R]] = ()
    digits: str = ""
    bold: Callable[[R], bool] = lambda row: False
    group: Callable[[R], str] = lambda row: ""

    @property
    def headings(self) -> list[str]:
        """Heads of the columns for readers."""
        return [column.heading for column in self.columns]

    def texts(self) -> list[list[str]]:
        """Cells for readers, row by row, not escaped."""
        return [[_text(column.cell(row)) for column in self.columns] for row in self.rows]

    def csv(self) -> str:
        """Rows for programs: an absent value is empty, true is 1."""
        columns, text = self.data or self.columns, io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([spreadsheet_text(column.heading) for column in columns])
        writer.writerows([[self._stored(column.cell(row)) for column in columns] for row in self.rows])
        return text.getvalue()

    def markdown(self) -> str:
        """A Markdown table with its notes."""
        lines = [f"**{markdown_text(self.banner)}**\n"] if self.banner else []
        lines.append(markdown_line([markdown_text(heading) for heading in self.headings]))
        lines.append(markdown_line(["---:" if column.numeric else "---" for column in self.columns]))
        for row, cells in zip(self.rows, self.texts(), strict=True):
            lines.append(markdown_line([_markdown_cell(cell, self.bold(row)) for cell in cells]))
        return "\n".join([*lines, *([""] if self.notes else []), *(f"{markdown_text(n)}  " for n in self.notes)]) + "\n"

    def latex(self) -> str:
        r"""A booktabs ``tabular`` (needs ``\usepackage{booktabs}``) with its notes as comments."""
        layout = "".join("r" if column.numeric else "l" for column in self.columns)
        lines = [rf"\begin{{tabular}}{{{layout}}}", r"\toprule"]
        if self.banner:
            lines.append(rf"\multicolumn{{{len(layout)}}}{{l}}{{\textbf{{{latex_text(self.banner)}}}}} \\ \midrule")
        lines += [latex_line([latex_text(heading) for heading in self.headings]), r"\midrule"]
        numeric = [column.numeric for column in self.columns]
        for index, (row, cells) in enumerate(zip(self.rows, self.texts(), strict=True)):
            if index > 0 and self.group(row) != self.group(self.rows[index - 1]):
                lines.append(r"\midrule")
            bold = self.bold(row)
            lines.append(latex_line([_latex_cell(*pair, bold) for pair in zip(cells, numeric, strict=True)]))
        comments = [latex_comment(note) for note in self.notes]
        if needs_unicode_latex("".join(lines)):
            comments.append(latex_comment("Compile with lualatex or xelatex: some characters are beyond pdflatex."))
        return "\n".join([*comments, *lines, r"\bottomrule", r"\end{tabular}"]) + "\n"

    def rich(self) -> "rich.table.Table":
        """A table for the terminal."""
        from rich.table import Table as TerminalTable
        from rich.text import Text

        def shown(text: str) -> Text:  # rich would read markup and names of emoji in a plain string
            return Text(visible(text))

        caption = shown("\n".join(self.notes))
        table = TerminalTable(title=shown(self.banner or ""), caption=caption, caption_justify="left")
        for column in self.columns:
            table.add_column(shown(column.heading), justify="right" if column.numeric else "left")
        for row, cells in zip(self.rows, self.texts(), strict=True):
            table.add_row(*map(shown, cells), style="bold" if self.bold(row) else None)
        return table

    def write(self, folder: Path, name: str, *, latex: bool = False) -> list[Path]:
        """Write ``<name>.csv`` and ``<name>.md``, with `latex` also ``<name>.tex``; returns their paths.

        Raises:
            UserError: if the folder cannot be written.
        """
        texts = {".csv": self.csv(), ".md": self.markdown()} | ({".tex": self.latex()} if latex else {})
        paths = {folder / f"{name}{suffix}": text for suffix, text in texts.items()}
        for path, text in paths.items():
            write_text(path, text)
        return list(paths)

    def _stored(self, value: Cell) -> str | int:
        if value is None or isinstance(value, str):
            return spreadsheet_text(value or "")
        return int(value) if _is_whole(value) else f"{value:{self.digits}}"


def _text(value: Cell) -> str:
    if isinstance(value, str):
        return value
    if value is None or not _is_whole(value):
        return score_text(value, ".4g")
    return str(int(value))


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral)  # NumPy's integers too, which are no int


def _markdown_cell(text: str, bold: bool) -> str:
    escaped = markdown_text(text)
    return f"**{escaped}**" if text and (bold or isinstance(text, Strong)) else escaped


def _latex_cell(text: str, numeric: bool, bold: bool) -> str:
    if text == NO_VALUE or not text:
        return text
    if numeric and not any(character.isalpha() for character in text):
        return latex_number(text)
    escaped = latex_text(text)
    return rf"\textbf{{{escaped}}}" if bold or isinstance(text, Strong) else escaped
