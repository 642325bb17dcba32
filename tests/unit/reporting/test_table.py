"""One table in every form: the same cells, escaped for each, and numbers that programs read back exactly."""

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from probekit.reporting.cells import difference_text, interval_text, score_text
from probekit.reporting.table import Cell, Column, Strong, Table, fields


class Model(NamedTuple):
    name: str
    score: float | None
    videos: int = 4
    star: bool = False


COLUMNS: list[Column[Model]] = [
    Column("model", lambda row: row.name),
    Column("score", lambda row: score_text(row.score), True),
    Column("videos", lambda row: row.videos, True),
]


def printed(table: Table[Any]) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(table.rich())
    return console.export_text()


def table_of(*rows: Model, **changes: Any) -> Table[Model]:
    return replace(Table(COLUMNS, rows), **changes)


@pytest.mark.parametrize("render", [Table.markdown, Table.latex, printed])
def test_each_form_for_readers_has_every_cell_and_note(render: Any) -> None:
    text = render(table_of(Model("ours", 81.25), Model("theirs", None), notes=["In percent."], banner="Beware."))
    for part in ("model", "videos", "ours", "81.25", "theirs", "n/a", "In percent.", "Beware."):
        assert part in text


def test_cells_may_hold_the_characters_of_every_form() -> None:
    table = table_of(Model("a|b_c & [d]\n*e*", 1.0))
    (row,) = [line for line in table.markdown().splitlines() if line.startswith("| a")]
    assert row == r"| a\|b\_c & \[d\] \*e\* | 1.00 | 4 |"
    assert r"a\textbar{}b\_c \& {[}d{]} {*}e{*} & $1.00$ & $4$ \\" in table.latex()
    assert "[d]" in printed(table)
    assert next(csv.DictReader(io.StringIO(table.csv())))["model"] == "a|b_c & [d]\n*e*"


@pytest.mark.parametrize(
    ("name", "markdown"),
    [
        ("![x](http://a/b.png)", r"\!\[x\](http\://a/b.png)".replace(r"\!", "!")),
        ("[x](http://a) www.a.org", r"\[x\](http\://a) www\.a.org"),
        ("a &lt;b&gt; $x$ ~~y~~ # z", r"a \&lt;b\&gt; \$x\$ \~\~y\~\~ \# z"),
        ("\x1b[31mred\u202e", r"\\x1b\[31mred\\u202e"),
        ("[+0.10, -0.20]", "[+0.10, -0.20]"),
    ],
)
def test_no_text_is_a_link_a_picture_or_an_escape_in_markdown(name: str, markdown: str) -> None:
    assert table_of(Model(name, 1.0)).markdown().splitlines()[2] == f"| {markdown} | 1.00 | 4 |"


@pytest.mark.parametrize(
    ("name", "latex"),
    [
        ("[0,1] model", "{[}0,1{]} model"),
        ("*x", "{*}x"),
        ("a--b---c", "a-{}-b-{}-{}-c"),
        ("it''s ``so``", r"it'{}'s \textasciigrave{}\textasciigrave{}so\textasciigrave{}\textasciigrave{}"),
        ('say "x" | y', r"say {\ttfamily\char34}x{\ttfamily\char34} \textbar{} y"),
        ("a\nb\\input{x}%", r"a b\textbackslash{}input\{x\}\%"),
        ("\x1b^^M", r"\textbackslash{}x1b\textasciicircum{}\textasciicircum{}M"),
    ],
)
def test_latex_shows_what_was_written(name: str, latex: str) -> None:
    text = table_of(Model(name, 1.0), notes=["of\nlines \x0b%"]).latex()
    assert f"\n{latex} & $1.00$ & $4$ \\\\\n" in text
    assert "% of lines %\n" in text
    assert "lualatex" not in text


def test_latex_says_which_compiler_other_scripts_need() -> None:
    assert "% Compile with lualatex or xelatex" in table_of(Model("日本", 1.0)).latex()
    assert "lualatex" not in table_of(Model("café – ±1", 1.0)).latex()


def test_a_formula_is_a_text_for_a_spreadsheet() -> None:
    table = table_of(Model("=HYPERLINK(1)", -1.5), Model("-a", None), data=fields(Model._fields))
    rows = list(csv.DictReader(io.StringIO(table.csv())))
    assert [row["name"] for row in rows] == ["'=HYPERLINK(1)", "'-a"]
    assert rows[0]["score"] == "-1.5"


def test_the_terminal_reads_no_markup_and_no_names_of_emoji() -> None:
    text = printed(table_of(Model("[red]:smile:[/red] \x1b[0m", 1.0), banner="[b]x[/b]", notes=[":cat:"]))
    for part in ("[red]:smile:[/red] \\x1b[0m", "[b]x[/b]", ":cat:"):
        assert part in text


def test_programs_read_the_columns_made_for_them() -> None:
    table = table_of(Model("ours", 1 / 3, star=True), Model("theirs", None), data=fields(Model._fields))
    first, second = csv.DictReader(io.StringIO(table.csv()))
    assert first == {"name": "ours", "score": repr(1 / 3), "videos": "4", "star": "1"}
    assert (second["score"], second["star"]) == ("", "0")
    assert replace(table, digits=".3f").csv().splitlines()[1] == "ours,0.333,4,1"


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False)))
def test_a_float_comes_back_from_the_csv_as_it_was(values: list[float]) -> None:
    table = Table([Column[float]("value", lambda value: value)], values)
    assert [float(row["value"]) for row in csv.DictReader(io.StringIO(table.csv()))] == values


@pytest.mark.parametrize(
    ("value", "text", "stored"),
    [(None, "n/a", ""), (12, "12", "12"), (np.int64(12), "12", "12"), (0.123456, "0.1235", "0.123456"),
     (np.float32(0.5), "0.5", "0.5"), (True, "1", "1"), ("as it is", "as it is", "as it is"), ("", "", "")],
)  # fmt: skip
def test_values_read_alike_in_every_table(value: Cell, text: str, stored: str) -> None:
    table = Table([Column[Cell]("value", lambda row: row), Column[Cell]("end", lambda row: "x")], [value])
    assert table.texts() == [[text, "x"]]
    assert table.csv().splitlines()[1] == f"{stored},x"


def test_rows_and_cells_stand_out() -> None:
    table = table_of(Model("ours", 1.0), Model("all", None), bold=lambda row: row.name == "all")
    assert "| **all** | **n/a** | **4** |" in table.markdown()
    assert r"\textbf{all} & n/a & $4$" in table.latex()
    fired = Table([Column[str]("detector", lambda row: Strong(row) if row == "on" else row)], ["on", "off"])
    assert [line for line in fired.markdown().splitlines() if "o" in line][1:] == ["| **on** |", "| off |"]


def test_latex_draws_a_rule_between_groups_and_sets_numbers_as_mathematics() -> None:
    rows = [Model("a", -1.0), Model("b", 2.0), Model("z", 3.0)]
    text = table_of(*rows, group=lambda row: "late" if row.name == "z" else "early").latex()
    assert text.count(r"\midrule") == 2
    assert text.index(r"\midrule", text.index("b &")) < text.index("z &")
    assert "$-1.00$" in text
    sizes = Table([Column[str]("size", lambda row: row, True)], ["1.3B", "+0.5*"]).latex()
    assert "\n1.3B \\\\" in sizes
    assert "$+0.5^{*}$" in sizes


def test_a_table_without_rows_or_notes_is_its_head() -> None:
    assert table_of().markdown() == "| model | score | videos |\n| --- | ---: | ---: |\n"
    assert table_of().csv() == "model,score,videos\n"


def test_written_files_hold_the_forms(tmp_path: Path) -> None:
    table = table_of(Model("ours", 2.0))
    paths = table.write(tmp_path / "new", "scores", latex=True)
    assert [path.name for path in paths] == ["scores.csv", "scores.md", "scores.tex"]
    assert [path.read_text() for path in paths] == [table.csv(), table.markdown(), table.latex()]
    assert [path.name for path in table.write(tmp_path, "plain")] == ["plain.csv", "plain.md"]


@given(st.floats(-1e6, 1e6), st.sampled_from([".2f", ".4f", ".4g", ".5f"]))
def test_a_difference_has_a_sign_unless_it_reads_zero(value: float, style: str) -> None:
    text = difference_text(value, style, star=False)
    assert (text[0] in "+-") == (float(text) != 0)
    assert float(text) == float(f"{value:{style}}")


def test_the_star_and_the_interval() -> None:
    assert difference_text(0.5, star=True) == "+0.50*"
    assert difference_text(None, star=False) == "n/a"
    assert interval_text(-0.001, 2.0) == "[-0.00, +2.00]"
    assert interval_text(None, 2.0) == "n/a"


def test_a_star_never_stands_beside_zero() -> None:
    assert difference_text(0.00123, star=True) == "+0.0012*"
    assert difference_text(-4e-7, star=True) == "-0.00000040*"
    assert difference_text(3e-12, star=True) == "+3.0e-12*"
    assert difference_text(0.00123, star=False) == "0.00"
    assert difference_text(0.00123, star=True, mark="") == "+0.0012"
    assert interval_text(0.00123, 0.5) == "[+0.0012, +0.5000]"
    assert interval_text(-0.00123, 0.5) == "[-0.00, +0.50]"
    assert interval_text(0.0, 0.5) == "[+0.00, +0.50]"


@given(st.floats(1e-300, 1e6), st.floats(1, 1e6), st.sampled_from([".2f", ".4f", ".5f"]), st.booleans())
def test_what_excludes_zero_shows_no_zero(small: float, factor: float, style: str, negative: bool) -> None:
    sign = -1 if negative else 1
    ends = sorted((sign * small, sign * small * factor))
    texts = [difference_text(ends[0], style, star=True).rstrip("*"), *interval_text(*ends, style)[1:-1].split(", ")]
    assert all(sign * float(text) > 0 for text in texts)
    assert float(texts[1]) <= float(texts[2])
