"""Printing tables."""

from rich.console import Console

_LOG_WIDTH = 130


def table_console() -> Console:
    """A console as wide as the terminal; in a log, where no terminal says, wide enough for every column."""
    console = Console()
    return console if console.is_terminal else Console(width=_LOG_WIDTH)
