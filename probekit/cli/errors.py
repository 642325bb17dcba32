"""How commands fail: one line that names the culprit and the fix, and a non-zero exit."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from probekit.cli.terminal import say
from probekit.errors import UserError
from probekit.write_failures import FREE_SPACE, write_failure, writing_errors


@contextmanager
def reporting_errors() -> Iterator[None]:
    """Turn a `UserError` into one line on stderr and exit status 2; so too what a full or read-only disk causes."""
    threading.excepthook = _report_in_thread
    try:
        yield
    except UserError as error:
        raise _exit(str(error)) from error
    except writing_errors() as error:
        reason = write_failure(error)
        if reason is None:
            raise
        place = error.filename if isinstance(error, OSError) and error.filename else "A file"
        raise _exit(f"{place}: {reason}. Fix: {FREE_SPACE}") from error


def _exit(line: str) -> typer.Exit:
    say(f"error: {line}", err=True)
    return typer.Exit(2)


def _report_in_thread(ended: threading.ExceptHookArgs) -> None:
    """Stay silent about a full disk in a thread of a library: the main thread hears of it and reports it."""
    if ended.exc_value is None or write_failure(ended.exc_value) is None:
        threading.__excepthook__(ended)
