"""What comes from files is seen on the terminal, in tables and on pages, and does not act there."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probekit.cli.terminal import log_to_terminal, say
from probekit.visible_text import one_line, plot_text, spreadsheet_text, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("a\u202egnp.exe\u202c", r"a\u202egnp.exe\u202c"),
        ("a\u2066b\u2069\u200f", r"a\u2066b\u2069\u200f"),
        ("a\rb\x00\x9b", r"a\rb\x00\x9b"),
        ("a\u2028b\u200bc\ufeff", r"a\u2028b\u200bc\ufeff"),
        ("caf\udce9", r"caf\udce9"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("नि\u200dक 👩\u200d🚀 ש", "नि\u200dक 👩\u200d🚀 ש"),
    ],
)
def test_what_acts_is_shown_as_its_escape(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text(st.characters()))
def test_what_is_shown_can_be_written_and_holds_no_escape(text: str) -> None:
    shown = visible(text)
    assert visible(shown) == shown
    shown.encode()
    assert not set(shown) & {"\x1b", "\x9b", "\r", "\x07", "\u202e", "\u2066"}
    assert "\n" not in one_line(text)


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3+cmd", "@SUM(A1)", " =1", "\t=1", "=HYPERLINK(1)"])
def test_a_cell_that_begins_a_formula_is_quoted(text: str) -> None:
    assert spreadsheet_text(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-0.5", "+0.54*", "-1e-05", "[-0.1, +0.2]", "a=b", "", "-", "5s", "a-b"])
def test_numbers_and_plain_texts_stay(text: str) -> None:
    assert spreadsheet_text(text) in (text, f"'{text}" if text == "-" else text)


def test_dollars_are_no_formula_in_a_figure() -> None:
    assert plot_text("$x$ \x1b") == r"\$x\$ \x1b"


def test_the_terminal_gets_visible_lines(capsys: pytest.CaptureFixture[str]) -> None:
    say("a \x1b[31m prompt")
    say("caf\udce9", err=True)
    captured = capsys.readouterr()
    assert captured.out == "a \\x1b[31m prompt\n"
    assert captured.err == "caf\\udce9\n"


def test_the_log_gets_visible_lines(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers = []
    try:
        log_to_terminal("%(message)s")
        logging.getLogger("fontTools.subset").info("Retaining 5 glyphs")
        logging.getLogger("probekit").warning("left out: %s", "\x1b[2J\u202e")
    finally:
        root.handlers, root.level = before, level
    assert capsys.readouterr().err == "left out: \\x1b[2J\\u202e\n"
