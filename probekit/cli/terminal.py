"""What commands write to the terminal: texts of files are seen and do not act."""

import logging
import sys
from typing import Final

import typer

from probekit.visible_text import visible

WHERE_REASONS_ARE: Final = "`probekit vbench doctor` says what each of them needs"

_NOISY: Final = ("matplotlib", "PIL", "httpx", "fontTools")
"""Libraries that tell of every step, such as each glyph of a PDF."""


def say(text: object = "", *, err: bool = False, nl: bool = True) -> None:
    """Write a line.

    Args:
        text: the line; what the stream's encoding lacks is written as an escape.
        err: whether it goes to standard error.
        nl: whether it ends with a newline.
    """
    encoding = (sys.stderr if err else sys.stdout).encoding or "utf-8"
    shown = visible(str(text)).encode(encoding, "backslashreplace").decode(encoding)
    typer.echo(shown, err=err, nl=nl)


def log_to_terminal(form: str, times: str | None = None) -> None:
    """Send progress and warnings to standard error; of some libraries only warnings.

    Args:
        form: format of a line, see `logging`.
        times: format of its time.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(_VisibleFormatter(form, times))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for noisy in _NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)


class _VisibleFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record))
