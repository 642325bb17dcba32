"""Texts from files, made safe to show: what would act on a terminal, a page or a spreadsheet is seen instead."""

import re
from typing import Final

_ACTING: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and newline: terminal escapes begin with one
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f"  # marks, embeddings and overrides of direction
    "\u180e\u200b\u2028\u2029\u2060-\u2065\ufeff\ufff9-\ufffb"  # separators and marks without width
    "\U000e0000-\U000e0fff"  # invisible tags
    "\ud800-\udfff]"  # halves of characters, which no stream can write
)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_NUMBERS: Final = re.compile(r"[-+]?[\d.][-+\d.eE%,:; \[\]*]*")


def visible(text: str) -> str:
    r"""The text with every character that acts instead of being seen as its escape, such as ``\x1b``.

    Tabs and newlines stay, and so do joiners of scripts and emoji.
    """
    return _ACTING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def one_line(text: str) -> str:
    """As `visible`, with every stretch of white space as one space."""
    return visible(" ".join(text.split()))


def spreadsheet_text(text: str) -> str:
    """A text for a cell of a CSV: one that a spreadsheet would take for a formula begins with an apostrophe."""
    shown = visible(text)
    is_formula = text.lstrip(" ").startswith(_FORMULA) and not _NUMBERS.fullmatch(text)
    return f"'{shown}" if is_formula else shown


def plot_text(text: str) -> str:
    """A text for a figure: a dollar is a dollar and begins no formula."""
    return visible(text).replace("$", r"\$")
