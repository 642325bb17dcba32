"""How commands fail: one line that names the culprit and the fix, and a non-zero exit."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from probekit.cli.terminal import say
from probekit.errors import UserError


@contextmanager
def reporting_errors() -> Iterator[None]:
    """Turn a `UserError` into one line on stderr and exit status 2."""
    try:
        yield
    except UserError as error:
        say(f"error: {error}", err=True)
        raise typer.Exit(2) from error
